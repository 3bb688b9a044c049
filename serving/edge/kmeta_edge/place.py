"""Writing a folder as a whole or not at all, whatever kills the process."""

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


@contextlib.contextmanager
def building(directory, overwrite):
    """Inside, a new folder beside `directory`, which takes its place at the end.

    What was there is there until then. A process that is killed leaves a hidden folder
    `.NAME.*.tmp` behind; the next one a day later removes it.

    Raises:
        ValueError: if something is at `directory` that may not be replaced.
    """
    path = pathlib.Path(directory).resolve()
    _restore(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        _check(path, overwrite)
    folder = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    folder.mkdir(parents=True)
    try:
        _remove_abandoned(path)
        yield folder
        _publish(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # after an error, or what stood at `path` before


def _check(path, overwrite):
    """Raise ValueError unless what is at a path may be replaced."""
    if not overwrite:
        raise ValueError(f"'{path}' is not empty; pass overwrite=True (--overwrite) to replace it")
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        listed = {"manifest.json", *manifest["files"]} if manifest["format"] == FORMAT else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        listed = None
    if listed is None:
        raise ValueError(f"'{path}' is no bundle and will not be replaced")
    found = (p for p in path.rglob("*") if p.is_symlink() or not p.is_dir())
    others = sorted({p.relative_to(path).as_posix() for p in found} - listed)
    if others:
        raise ValueError(
            f"'{path}' holds '{others[0]}', which is not of its bundle, and will not be replaced"
        )


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
