"""Training runs: a recipe, a folder, and weights that survive an interruption.

Names load on first use, so that a run's folder can be read without importing Keras.
"""

import importlib

_HOMES = {"Run": "folder", "load": "loading", "train": "training"}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(f"kmeta.runs.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kmeta.runs' has no attribute {name!r}")


def __dir__():
    return __all__
