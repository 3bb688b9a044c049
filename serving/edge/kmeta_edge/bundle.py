"""Bundles on disk: reading files and checking that they are as they were written."""

import hashlib
import io
import json
import os
import pathlib
import zipfile

import numpy as np

from . import manifest as manifests
from . import saved_model

_SERVER_ONLY = "saved_model/"  # may be left out on a device
_SAVED_MODEL = "saved_model/1/saved_model.pb"


def read(directory, whole=False):
    """The manifest of a bundle, once every file is as it was written.

    whole: whether the SavedModel must be there too, which may be left out on a device.

    Raises:
        ValueError: if `directory` is no bundle, is of another format version, if a file is
            missing or has changed, which is named, or if the SavedModel reads or writes files,
            or calls Python.
    """
    directory = pathlib.Path(directory)
    manifest = manifests.read(directory)
    for name in manifest["files"]:
        path = directory / name
        if path.is_file() or whole or not name.startswith(_SERVER_ONLY):
            _compare(directory, manifest, name, fingerprint(path) if path.is_file() else None)
        if name == _SAVED_MODEL and path.is_file():
            saved_model.check(content(directory, manifest, name), directory)
    return manifest


def content(directory, manifest, name):
    """The bytes of a file of a bundle.

    Raises:
        ValueError: if the file is missing or has changed, also since the bundle was loaded.
    """
    path = directory / name
    data = path.read_bytes() if path.is_file() else None
    found = data if data is None else _entry(hashlib.sha256(data), len(data))
    _compare(directory, manifest, name, found)
    return data


def arrays(directory, manifest, name):
    """The arrays of an .npz file of a bundle, by name.

    Raises:
        ValueError: as `content`, and if it is none.
    """
    data = content(directory, manifest, name)
    try:
        with np.load(io.BytesIO(data)) as file:
            return dict(file)
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"The bundle '{directory}' is damaged: {name} has no arrays") from error


def _compare(directory, manifest, name, found):
    expected = manifest["files"][name]
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
    """Write the manifest of the files in `folder`, and return it."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    manifest = {**manifest, "files": {name: fingerprint(folder / name) for name in names}}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return manifest
