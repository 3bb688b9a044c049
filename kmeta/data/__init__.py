"""Data for few-shot learning: sources of images, and the episodes drawn from them.

Names load on first use: `import kmeta.data` imports neither Keras nor TensorFlow.
"""

import difflib
import importlib
import inspect

_HOMES = {
    "Dataset": "dataset",
    "Episodes": "episodes",
    "from_arrays": "dataset",
}
_SOURCES = {
    "omniglot": "omniglot",
}
__all__ = sorted([*_HOMES, "load"])


def load(name, split, data_dir=None, **options):
    """Return one split of a named data set as a `Dataset`.

    name: "omniglot" (see `kmeta.data.omniglot.load`).
    split: which part; every source has its own.
    data_dir: folder in which the source looks for its files, besides `$KMETA_DATA`.
    **options: of the source.

    Raises ValueError where the name, the split or an option is unknown, and FileNotFoundError where
    the data are in none of the places looked in.
    """
    source = _source(name)
    known = list(inspect.signature(source).parameters)[2:]
    for option in options:
        if option not in known:
            raise ValueError(f"Unknown option for {name!r}; it has {known}. Received: {option!r}")
    return source(split, data_dir, **options)


def _source(name):
    if not isinstance(name, str) or name not in _SOURCES:
        near = difflib.get_close_matches(str(name), _SOURCES, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Argument `name` must be one of {sorted(_SOURCES)}.{hint} Received: name={name!r}"
        )
    return importlib.import_module(f"kmeta.data.{_SOURCES[name]}").load


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(f"kmeta.data.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kmeta.data' has no attribute {name!r}")


def __dir__():
    return __all__
