"""kmeta: few-shot and meta-learning for Keras, from paper to production.

Public names load on first use, so that `import kmeta` itself does not import TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "kmeta.classifier",
    "Episode": "kmeta.episode",
    "Episodes": "kmeta.data.episodes",
    "MAML": "kmeta.learners.optimization.maml",
    "MetaLearner": "kmeta.learners.meta_learner",
    "PrototypicalNetwork": "kmeta.learners.metric.prototypical",
    "Support": "kmeta.episode",
    "evaluate": "kmeta.evaluation",
    "export": "kmeta.exporting",
    "load": "kmeta.runs",
}
_MODULES = ("data", "layers", "ops")
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
