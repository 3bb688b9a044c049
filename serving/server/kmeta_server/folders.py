"""Where bundles are found: a bundle's folder, or a folder of its versions."""

import hashlib
import os
import pathlib
from typing import NamedTuple


class Source(NamedTuple):
    """A place of one model: its `name` and its `path`, a bundle, or a folder of versions."""

    name: str
    path: pathlib.Path


class Candidate(NamedTuple):
    """A bundle that might be served: `version` None where its folder has none; `stamp` of files."""

    version: str | None
    path: pathlib.Path
    stamp: int


def sources(models_dir):
    """A `Source` for each sub-folder of a folder; hidden ones are left out."""
    folders = sorted(path for path in pathlib.Path(models_dir).iterdir() if path.is_dir())
    return [Source(path.name, path) for path in folders if not path.name.startswith(".")]


def candidates(path):
    """The bundles at a path, the newest version first; none if there is nothing."""
    found = [(None, path)]
    if path.is_dir() and not _is_bundle(path):
        numbers = [part.name for part in path.iterdir() if part.name.isdecimal()]
        found = [(number, path / number) for number in sorted(numbers, key=int, reverse=True)]
    return [Candidate(version, part, stamp(part)) for version, part in found if _is_bundle(part)]


def _is_bundle(path):
    return (path / "manifest.json").is_file()


def stamp(path):
    """A number that changes with any file of a folder."""
    found = []
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.stat(os.path.join(folder, name))
            found.append((folder, name, file.st_size, file.st_mtime_ns, file.st_ino))
    return hash(tuple(sorted(found)))


def identity(path):
    """The version of a bundle whose folder has no number: twelve digits of its manifest's hash."""
    return hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()[:12]
