"""What a file of Keras holds, looked at before Keras reads it.

A `.keras` file is a zip archive of a configuration, which names what is to be made, and of weights
in HDF5, which may point to other files or claim any size.
"""

import io
import json
import zipfile
import zlib
from pathlib import Path

import h5py

from kmeta.episode import Tensor
from kmeta.learners.restoring import check_config

ENTRIES = ("config.json", "metadata.json", "model.weights.h5")
MOST_OF_JSON = 16 * 2**20  # bytes
MOST_OF_WEIGHTS = 8 * 2**30  # bytes
MOST_OBJECTS = 20_000  # groups and datasets of a file of weights
RATIO = 100  # how many times larger than its file an archive, or its arrays, may be
_SPARE = 2**20  # bytes
_NUMBERS = "biufV"  # kinds of arrays; "V" is bfloat16


def check_keras_file(path: Tensor) -> int:
    """Raise ValueError unless Keras may read a `.keras` file; return the bytes of its weights.

    Args:
        path: of the file; a folder is none, also of this name.

    Raises:
        ValueError: if it is no archive of what `save` writes, unpacks to more than `RATIO` times
            its size, if its configuration names anything but what `kmeta.learners.restoring`
            allows, or if its weights are as `check_weights` refuses.
    """
    if not Path(path).is_file():
        raise ValueError("it is not a file")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, Path(path).stat().st_size)
            for name in ENTRIES[:2]:
                check_config(json.loads(archive.read(name)))
            weights = archive.read(ENTRIES[2])
    except RecursionError as error:
        raise ValueError("its configuration is nested too deep") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(f"it is no zip archive that can be read: {error}") from error
    return check_weights(io.BytesIO(weights), len(weights))


def _check_entries(archive, size):
    entries = archive.infolist()
    names = sorted(entry.filename for entry in entries)
    if names != sorted(ENTRIES):
        shown = ", ".join(map(repr, names[:10]))
        raise ValueError(f"it must hold {', '.join(ENTRIES)} and nothing else. Received: {shown}")
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"its {entry.filename} must be stored or deflated")
        most = MOST_OF_WEIGHTS if entry.filename == ENTRIES[2] else MOST_OF_JSON
        if entry.file_size > min(most, RATIO * size):
            raise ValueError(
                f"its {entry.filename} would unpack to {entry.file_size} bytes, out of {size}"
            )


def check_weights(file: Tensor, size: Tensor) -> int:
    """Return the bytes of the arrays of an HDF5 file, which must be numbers and fit into it.

    Args:
        file: path, or open file.
        size: bytes of it.

    Raises:
        ValueError: if it is no HDF5 file, links to other files or within itself, keeps arrays in
            other files, or has arrays of other things than numbers or larger than
            `RATIO` times the file.
    """
    try:
        with h5py.File(file, "r") as opened:
            return _check_group(opened, RATIO * size + _SPARE)
    except ValueError:
        raise
    except Exception as error:  # h5py raises of every kind on damaged files
        raise ValueError(f"its weights cannot be read: {type(error).__name__}: {error}") from error


def _check_group(opened, most):
    waiting, total, seen = [opened], 0, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > MOST_OBJECTS:
                raise ValueError(f"its weights have more than {MOST_OBJECTS} objects")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its weights have a link: {name!r}")
            found = group[name]
            if isinstance(found, h5py.Group):
                waiting.append(found)
                continue
            if not isinstance(found, h5py.Dataset) or found.dtype.kind not in _NUMBERS:
                raise ValueError(f"its weights have no numbers in {name!r}")
            if found.external or found.is_virtual:
                raise ValueError(f"its weights are in another file: {name!r}")
            total += found.size * found.dtype.itemsize
            if total > most:
                raise ValueError(f"its weights claim {total} bytes, more than their file can hold")
    return total
