"""Bundles on disk: reading a whole one, and checking that its files are as they were written."""

import hashlib
import json
import os
import pathlib
import time

from . import arrays as npz
from . import manifest as manifests
from . import place, saved_model

_SERVER_ONLY = "saved_model/"  # may be left out on a device
_SAVED_MODEL = "saved_model/1/saved_model.pb"
_TRIES, _PAUSE = 200, 0.01  # while the bundle is being replaced; seconds


def read(directory, whole=False):
    """`(manifest, contents)` of a bundle whose files are all as they were written.

    If the bundle is replaced meanwhile, it is read again: all files are of one bundle.

    Args:
        directory: of the bundle.
        whole: whether the SavedModel must be there too, which may be left out on a device.

    Returns:
        The manifest, and the bytes of all files beside it and the SavedModel, by name.

    Raises:
        ValueError: if `directory` is no bundle, is of another format version, if a file is
            missing or has changed, which is named, or if the SavedModel reads or writes files,
            calls Python, or has a file that is not in the manifest.
    """
    directory = pathlib.Path(directory)
    for _ in range(_TRIES):
        before = _identity(directory)
        try:
            manifest = manifests.read(directory)
            return manifest, _contents(directory, manifest, whole)
        except (ValueError, OSError):
            if before == _identity(directory) and not place.is_moving(directory):
                raise
        time.sleep(_PAUSE)
    raise ValueError(f"The bundle '{directory}' is replaced all the time, and could not be read")


def _identity(directory):
    """What another bundle at this place would have another one of."""
    try:
        return os.stat(directory).st_ino, (directory / "manifest.json").read_bytes()
    except OSError:
        return None


def _contents(directory, manifest, whole):
    _check_only_listed(directory, manifest["files"])
    found = {}
    for name, expected in manifest["files"].items():
        path = directory / name
        if name.startswith(_SERVER_ONLY):
            if whole or path.is_file():
                _compare(directory, name, fingerprint(path) if path.is_file() else None, expected)
            if name == _SAVED_MODEL and path.is_file():
                saved_model.check(path.read_bytes(), directory)
            continue
        data = None
        if path.is_file():
            size = path.stat().st_size
            if size != expected["size"]:
                _compare(directory, name, {"sha256": "", "size": size}, expected)
            data = path.read_bytes()
        entry = None if data is None else _entry(hashlib.sha256(data), len(data))
        _compare(directory, name, entry, expected)
        found[name] = data
    return found


def _check_only_listed(directory, listed):
    """Raise ValueError if a server could read a file of the SavedModel that was not looked at."""
    below = (directory / _SERVER_ONLY).rglob("*")
    found = {x.relative_to(directory).as_posix() for x in below if x.is_symlink() or not x.is_dir()}
    for name in sorted(found - set(listed)):
        raise ValueError(f"The bundle '{directory}' is damaged: its manifest does not have {name}")
    for name in sorted(listed):
        if pathlib.PurePath(name).stem == "saved_model" and name != _SAVED_MODEL:
            raise ValueError(f"The bundle '{directory}' has a second SavedModel: {name}")


def arrays(directory, contents, name, names=None):
    """The arrays of an .npz file of a bundle by name, those of `names`, or all.

    Raises:
        ValueError: if it is none, or its arrays are larger than `kmeta.edge.arrays.LARGEST`.
    """
    try:
        return npz.read(contents[name], names)
    except ValueError as error:
        raise ValueError(f"The bundle '{directory}' is damaged: {name} has {error}") from error


def _compare(directory, name, found, expected):
    if found is None:
        raise ValueError(f"The bundle '{directory}' is damaged: {name} is missing")
    if found != expected:
        raise ValueError(
            f"The bundle '{directory}' is damaged: {name} has changed since it was written "
            f"({found['size']} bytes instead of {expected['size']}, or other content)"
        )


def fingerprint(path):
    """`{"sha256": hexadecimal, "size": bytes}` of a file."""
    with open(path, "rb") as file:
        return _entry(hashlib.file_digest(file, "sha256"), os.path.getsize(path))


def _entry(digest, size):
    return {"sha256": digest.hexdigest(), "size": size}


def write_manifest(folder, manifest):
    """Write the manifest of the files in `folder`."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = sorted({path.relative_to(folder).as_posix() for path in paths} - {"manifest.json"})
    manifest = {**manifest, "files": {name: fingerprint(folder / name) for name in names}}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
