"""A folder that appears at its place complete, or not at all."""

import contextlib
import ctypes
import glob
import json
import os
import pathlib
import shutil
import time
import uuid

FORMAT = "kmeta.bundle"  # in every bundle's manifest
_DAY = 24 * 60 * 60


def check(directory, overwrite):
    """The absolute path of a bundle to write, once it is sure that it may be written.

    Raises:
        ValueError: if `directory` is no path, a file, or in use.
    """
    if not isinstance(directory, (str, os.PathLike)) or not os.fspath(directory):
        raise ValueError(f"Argument `directory` must be a path. Received: directory={directory!r}")
    path = pathlib.Path(directory).resolve()
    _restore(path)
    if path.exists() and not path.is_dir():
        raise ValueError(
            f"Argument `directory` must be a folder, new or empty. Received: '{path}', a file"
        )
    if path.is_dir() and any(path.iterdir()):
        if not overwrite:
            raise ValueError(
                "Argument `directory` must be a folder, new or empty; pass `overwrite=True` to "
                f"replace a bundle. Received: '{path}', which exists and is not empty"
            )
        foreign = _foreign(path)
        if foreign is not None:
            raise ValueError(
                "Argument `directory` must be a bundle and hold nothing else to be overwritten. "
                f"Received: '{path}', which holds {foreign}"
            )
    return path


def _foreign(path):
    """What a folder holds that is not of a bundle, in words; None if it holds a bundle alone."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        listed = {"manifest.json", *manifest["files"]} if manifest["format"] == FORMAT else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        listed = None
    if listed is None:
        return "no manifest.json of a bundle"
    found = (p for p in path.rglob("*") if p.is_symlink() or not p.is_dir())
    others = sorted({p.relative_to(path).as_posix() for p in found} - listed)
    return f"also '{others[0]}'" if others else None


@contextlib.contextmanager
def building(path):
    """Inside, a new folder beside `path`; at the end it moves to `path`, after an error it goes.

    What was at `path` is there until the new folder is. A process that is killed leaves a hidden
    folder `.NAME.*.tmp` behind; the next one a day later removes it.

    Raises:
        ValueError: if no folder can be made there.
    """
    folder = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        raise ValueError(
            "Argument `directory` must lie in a folder that can be written to. "
            f"Received: directory='{path}' ({error.strerror})"
        ) from error
    try:
        _remove_abandoned(path)
        yield folder
        _publish(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # after an error, or what stood at `path` before


def _publish(folder, path):
    """Move `folder` to `path`; what was there is at `folder` afterwards."""
    if not path.exists() or not any(path.iterdir()):
        os.rename(folder, path)
    elif not _exchange(folder, path):
        previous = _previous(path)
        shutil.rmtree(previous, ignore_errors=True)
        os.rename(path, previous)
        try:
            os.rename(folder, path)
        except OSError:
            os.rename(previous, path)
            raise
        os.rename(previous, folder)


def _exchange(one, other):
    """Let two folders trade places in one step; False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2  # Linux
    except (AttributeError, OSError, TypeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _previous(path):
    return path.with_name(f".{path.name}.previous")


def _restore(path):
    """Undo a replacement without `_exchange` that was killed between its two steps."""
    if not path.exists() and _previous(path).is_dir():
        os.rename(_previous(path), path)


def _remove_abandoned(path):
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _DAY:
                shutil.rmtree(folder)
