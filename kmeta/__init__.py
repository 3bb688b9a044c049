"""kmeta: few-shot and meta-learning for Keras, from paper to production.

Public names load on first use, so that `import kmeta` itself does not import TensorFlow. Where
Keras was imported before, all load at once, so that `keras.models.load_model` knows them;
`kmeta.load` always does.
"""

import importlib
import sys

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "kmeta.classifier",
    "Episode": "kmeta.episode",
    "Episodes": "kmeta.data.episodes",
    "FewShotClassifier": "kmeta.few_shot",
    "LSTMMetaLearner": "kmeta.learners.optimization.lstm_meta_learner",
    "MAML": "kmeta.learners.optimization.maml",
    "MatchingNetwork": "kmeta.learners.metric.matching",
    "MemoryAugmentedNetwork": "kmeta.learners.memory.memory_augmented",
    "MetaLearner": "kmeta.learners.meta_learner",
    "MetaNetwork": "kmeta.learners.memory.meta_network",
    "Pairs": "kmeta.episode",
    "PrototypicalNetwork": "kmeta.learners.metric.prototypical",
    "RelationNetwork": "kmeta.learners.metric.relation",
    "Reptile": "kmeta.learners.optimization.reptile",
    "SiameseNetwork": "kmeta.learners.metric.siamese",
    "Sequence": "kmeta.episode",
    "Support": "kmeta.episode",
    "evaluate": "kmeta.evaluation",
    "export": "kmeta.exporting",
    "load": "kmeta.runs",
}
_MODULES = ("calibration", "confusion", "data", "layers", "ops", "plots")
__all__ = sorted([*_HOMES, *_MODULES])


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"kmeta.{name}")
    raise AttributeError(f"module 'kmeta' has no attribute {name!r}")


def __dir__():
    return __all__


def register_classes():
    """Make kmeta's classes known to `keras.models.load_model`."""
    for home in {*_HOMES.values(), "kmeta.layers"}:
        importlib.import_module(home)


if "keras" in sys.modules:
    register_classes()
