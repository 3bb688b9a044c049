"""Data for few-shot learning: sources of images, and the episodes drawn from them.

Names load on first use: `import kmeta.data` imports neither Keras nor TensorFlow.
"""

import difflib
import functools
import importlib
import inspect
import os
from typing import TYPE_CHECKING, Any

from kmeta import lazy

if TYPE_CHECKING:  # what type checkers see of the names that load on first use
    from kmeta.data.dataset import Dataset as Dataset
    from kmeta.data.dataset import from_arrays as from_arrays
    from kmeta.data.directory import from_directory as from_directory
    from kmeta.data.episodes import Episodes as Episodes
    from kmeta.data.files import Limits as Limits
    from kmeta.data.pairs import VerificationPairs as VerificationPairs
    from kmeta.data.sequences import SequenceEpisodes as SequenceEpisodes
    from kmeta.data.sinusoid import SinusoidEpisodes as SinusoidEpisodes

_HOMES = {
    "Dataset": "dataset",
    "Episodes": "episodes",
    "Limits": "files",
    "SequenceEpisodes": "sequences",
    "SinusoidEpisodes": "sinusoid",
    "VerificationPairs": "pairs",
    "from_arrays": "dataset",
    "from_directory": "directory",
}
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {name: f"kmeta.data.{home}" for name, home in _HOMES.items()}, own=["load"]
)
SOURCES = {  # names of sets, and the modules that load them
    "cifar-fs": "cifar_fs",
    "glyphs": "glyphs",
    "omniglot": "omniglot",
}


def load(
    name: str, split: str, data_dir: str | os.PathLike[str] | None = None, **options: Any
) -> "Dataset":
    """Return one split of a named data set as a `Dataset`.

    Args:
        name: "omniglot", "cifar-fs", "glyphs" (drawn by the library itself, always at hand), or
            "tfds:" and the name of a set of TensorFlow Datasets, such as "tfds:mnist".
        split: which part; most have "train", "val" and "test".
        data_dir: folder in which the source looks for its files, before `$KMETA_DATA`.
        **options: of the source, which `kmeta.data.omniglot.load`, `kmeta.data.cifar_fs.load`,
            `kmeta.data.glyphs.load` and `kmeta.data.tfds_source.load` describe.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if the name, the split or an option is unknown.
        FileNotFoundError: if the data are in none of the places looked in.

    >>> load("glyphs", "test")
    Dataset('glyphs-test', 2800 images of (28, 28, 1) uint8, 140 classes)
    """
    source = _source(name)
    parameters = [item for item in inspect.signature(source).parameters if item != "name"]
    known = [item for item in parameters if item not in ("split", "data_dir")]
    for option in options:
        if option not in known:
            raise ValueError(f"Options of {name!r} are {known}. Received: {option!r}")
    return source(split=split, data_dir=data_dir, **options)


def _source(name):
    if isinstance(name, str) and name.startswith("tfds:"):
        from kmeta.data import tfds_source

        return functools.partial(tfds_source.load, name.removeprefix("tfds:"))
    if not isinstance(name, str) or name not in SOURCES:
        near = difflib.get_close_matches(str(name).lower(), SOURCES, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f'Argument `name` must be one of {sorted(SOURCES)} or "tfds:<name>".{hint} '
            f"Received: name={name!r}"
        )
    return importlib.import_module(f"kmeta.data.{SOURCES[name]}").load
