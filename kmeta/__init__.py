"""kmeta: few-shot and meta-learning for Keras, from paper to production.

Public names load on first use, so that `import kmeta` itself does not import TensorFlow. Where
Keras was imported before, all load at once, so that `keras.models.load_model` knows them;
`kmeta.load` always does.
"""

import importlib
import sys

from kmeta import lazy

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "kmeta.learners.classifier",
    "Episode": "kmeta.episode",
    "Episodes": "kmeta.data.episodes",
    "FewShotClassifier": "kmeta.few_shot.few_shot_classifier",
    "LSTMMetaLearner": "kmeta.learners.optimization.lstm_meta_learner",
    "MAML": "kmeta.learners.optimization.maml",
    "MatchingNetwork": "kmeta.learners.metric.matching",
    "MemoryAugmentedNetwork": "kmeta.learners.memory.memory_augmented",
    "MetaLearner": "kmeta.learners.meta_learner",
    "MetaNetwork": "kmeta.learners.memory.meta_network",
    "Pairs": "kmeta.episode",
    "PrototypicalNetwork": "kmeta.learners.metric.prototypical",
    "R2D2": "kmeta.learners.metric.r2d2",
    "RelationNetwork": "kmeta.learners.metric.relation",
    "Reptile": "kmeta.learners.optimization.reptile",
    "SiameseNetwork": "kmeta.learners.metric.siamese",
    "Sequence": "kmeta.episode",
    "Support": "kmeta.episode",
    "evaluate": "kmeta.evaluation.score",
    "export": "kmeta.exporting",
    "load": "kmeta.runs",
}
_MODULES = ("data", "evaluation", "exporting", "few_shot", "layers", "ops", "plots", "weights")
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {**_HOMES, **{name: f"kmeta.{name}" for name in _MODULES}}
)


def register_classes():
    """Make kmeta's classes known to `keras.models.load_model`."""
    for home in {*_HOMES.values(), "kmeta.layers"}:
        importlib.import_module(home)


if "keras" in sys.modules:
    register_classes()
