"""Learners, one paper a file, on `meta_learner`; `classifier` has what their `adapt` returns.

Names load on first use.
"""

import importlib

from kmeta import lazy

HOMES = {
    "Classifier": "kmeta.learners.classifier",
    "LSTMMetaLearner": "kmeta.learners.optimization.lstm_meta_learner",
    "MAML": "kmeta.learners.optimization.maml",
    "MatchingNetwork": "kmeta.learners.metric.matching",
    "MemoryAugmentedNetwork": "kmeta.learners.memory.memory_augmented",
    "MetaLearner": "kmeta.learners.meta_learner",
    "MetaNetwork": "kmeta.learners.memory.meta_network",
    "PrototypicalNetwork": "kmeta.learners.metric.prototypical",
    "R2D2": "kmeta.learners.metric.r2d2",
    "RelationNetwork": "kmeta.learners.metric.relation",
    "Reptile": "kmeta.learners.optimization.reptile",
    "SiameseNetwork": "kmeta.learners.metric.siamese",
}
__getattr__, __dir__, __all__ = lazy.names(__name__, HOMES)


def register_classes():
    """Make kmeta's classes known to `keras.models.load_model`."""
    for home in {*HOMES.values(), "kmeta.layers"}:
        importlib.import_module(home)
