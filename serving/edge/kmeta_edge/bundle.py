"""Bundles on disk: reading and checking one, and writing one as a whole or not at all."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import uuid

import numpy as np

FORMAT, FORMAT_VERSION = "kmeta.bundle", 2
_KEYS = {
    "input": dict,
    "class_names": list,
    "rejection": dict,
    "signatures": dict,
    "parity": dict,
    "files": dict,
}
_SERVER_ONLY = "saved_model/"  # may be left out on a device


def read(directory):
    """The manifest of a bundle, once every file is as it was written.

    Raises:
        ValueError: if `directory` is no bundle, is of another format version, or if a file is
            missing or has changed; the file is named.
    """
    directory = pathlib.Path(directory)
    manifest = _manifest(directory)
    for name, expected in manifest["files"].items():
        path = directory / name
        if not path.is_file():
            if name.startswith(_SERVER_ONLY):
                continue
            raise ValueError(f"The bundle '{directory}' is damaged: {name} is missing")
        found = fingerprint(path)
        if found != expected:
            raise ValueError(
                f"The bundle '{directory}' is damaged: {name} has changed since it was written "
                f"({found['size']} bytes instead of {expected.get('size')}, or other content)"
            )
    return manifest


def _manifest(directory):
    path = directory / "manifest.json"
    if not path.is_file():
        what = "has no manifest.json" if directory.is_dir() else "is not a folder"
        raise ValueError(f"Expected the folder of a bundle. Received: '{directory}', which {what}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is damaged: {error}") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if type(version) is not int or manifest.get("format") != FORMAT:
        raise ValueError(f"'{path}' is not the manifest of a kmeta bundle")
    if version != FORMAT_VERSION:
        what = "install a newer kmeta-edge" if version > FORMAT_VERSION else "export it again"
        raise ValueError(
            f"'{directory}' has bundle format {version}, and this kmeta-edge reads "
            f"{FORMAT_VERSION}: {what}"
        )
    lacking = [key for key, kind in _KEYS.items() if not isinstance(manifest.get(key), kind)]
    if lacking:
        raise ValueError(f"'{path}' is damaged: it lacks {', '.join(lacking)}")
    return manifest


def arrays(path):
    """The arrays of an .npz file, by name."""
    with np.load(path) as file:
        return dict(file)


def fingerprint(path):
    """`{"sha256": hexadecimal, "size": bytes}` of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size": os.path.getsize(path)}


def write_manifest(folder, manifest):
    """Write the manifest of the files in `folder`."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    manifest = {**manifest, "files": {name: fingerprint(folder / name) for name in names}}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def building(directory, overwrite):
    """Inside, a new folder beside `directory`, which takes its place at the end.

    Raises:
        ValueError: if something is at `directory` that may not be replaced.
    """
    path = pathlib.Path(directory).resolve()
    occupied = path.is_file() or (path.is_dir() and any(path.iterdir()))
    if occupied and not overwrite:
        raise ValueError(f"'{path}' is not empty; pass overwrite=True (--overwrite) to replace it")
    if occupied and not (path / "manifest.json").is_file():
        raise ValueError(f"'{path}' is no bundle and will not be replaced")
    folder, previous = (path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}") for _ in range(2))
    folder.mkdir(parents=True)
    try:
        yield folder
        if path.exists():
            os.rename(path, previous)
        try:
            os.rename(folder, path)
        except OSError:
            if previous.exists():
                os.rename(previous, path)
            raise
    finally:
        for leftover in (folder, previous):
            shutil.rmtree(leftover, ignore_errors=True)
