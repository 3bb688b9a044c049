"""A folder that appears at its place complete, or not at all.

Nothing is removed that this process did not make, but a bundle where that was asked for.
"""

import contextlib
import ctypes
import glob
import json
import os
import pathlib
import re
import shutil
import time
import uuid

FORMAT = "kmeta.bundle"  # in every bundle's manifest
NO_MANIFEST = "no manifest.json of a bundle"
_DAY = 24 * 60 * 60


def check(directory, overwrite):
    """The absolute path of a bundle to write, once it is sure that it may be written.

    Raises:
        ValueError: if `directory` is no path, a file, or in use.
    """
    if not isinstance(directory, (str, os.PathLike)) or not os.fspath(directory):
        raise ValueError(f"Argument `directory` must be a path. Received: directory={directory!r}")
    path = pathlib.Path(directory).resolve()
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"Argument `directory` must be a path of UTF-8 text. Received: {directory!r}"
        ) from error
    _restore(path)
    if path.exists() and not path.is_dir():
        raise ValueError(
            f"Argument `directory` must be a folder, new or empty. Received: '{path}', a file"
        )
    if path.is_dir() and any(path.iterdir()):
        if not overwrite:
            raise ValueError(
                "Argument `directory` must be a folder, new or empty; pass `overwrite=True` "
                f"(--overwrite) to replace a bundle. Received: '{path}', which is not empty"
            )
        _check_replaceable(path, path)
    return path


def _check_replaceable(folder, path):
    """Raise ValueError unless a folder, which is or was at `path`, holds a bundle alone."""
    foreign = _foreign(folder)
    if foreign is not None:
        raise ValueError(
            "Argument `directory` must be a bundle and hold nothing else to be overwritten. "
            f"Received: '{path}', which holds {foreign}"
        )


def _foreign(path):
    """What a folder holds that is not of a bundle, in words; None if it holds a bundle alone.

    Another process may put another bundle there meanwhile, which is then looked at instead.
    """
    while path.exists():
        with contextlib.suppress(FileNotFoundError):
            before, foreign, after = path.stat(), _looked_at(path), path.stat()
            if (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns):
                return foreign
    return NO_MANIFEST


def _looked_at(path):
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        listed = {"manifest.json", *manifest["files"]} if manifest["format"] == FORMAT else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        listed = None
    if listed is None:
        return NO_MANIFEST
    found = (p for p in path.rglob("*") if p.is_symlink() or not p.is_dir())
    others = sorted({p.relative_to(path).as_posix() for p in found} - listed)
    return f"also '{others[0]}'" if others else None


@contextlib.contextmanager
def building(directory, overwrite=False):
    """Inside, a new folder beside `directory`; at the end it moves there, after an error it goes.

    What was at `directory` is there until the new folder is. A process that is killed leaves a
    hidden folder `.NAME.*.tmp` behind; the next one a day later removes it.

    Raises:
        ValueError: if `directory` is or comes into use and may not be replaced, see `check`, or no
            folder can be made there.
    """
    path = check(directory, overwrite)
    folder = _beside(path, "tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        made = folder.stat().st_ino
    except OSError as error:
        raise ValueError(
            "Argument `directory` must lie in a folder that can be written to. "
            f"Received: directory='{path}' ({error.strerror})"
        ) from error
    try:
        _remove_abandoned(path)
        yield folder
        _publish(folder, path, overwrite)
    finally:
        _remove(folder, made, path)


def _remove(folder, made, path):
    """Remove what was built if it failed, or the bundle that was replaced, and nothing else.

    made: the inode of what was built. After a replacement that could not be undone `folder` may be
    another one: that is kept, under a name that can be seen.
    """
    if not folder.exists():
        return
    is_mine = folder.stat().st_ino == made or not any(folder.iterdir())
    if is_mine or _foreign(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        os.rename(folder, path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}.kept"))


def _publish(folder, path, overwrite):
    """Move `folder` to `path`; a bundle that was there is at `folder` afterwards."""
    try:
        os.rename(folder, path)  # succeeds where there is nothing, or an empty folder
    except OSError:
        if not os.path.lexists(path):
            raise
        if check(path, overwrite) != path:
            raise ValueError(
                f"Argument `directory` must be a folder. Received: '{path}', now a link"
            ) from None
        replace = _one_step if _exchange(folder, path) else _two_steps
        replace(folder, path)


def _one_step(folder, path):
    """After an exchange; undone if what came away is no bundle: it was changed since `check`."""
    try:
        if any(folder.iterdir()):
            _check_replaceable(folder, path)
    except ValueError:
        _exchange(folder, path)
        raise


def _two_steps(folder, path):
    """For systems that cannot exchange folders; `_restore` mends what is killed in between."""
    previous = _beside(path, "previous")
    os.rename(path, previous)
    try:
        if any(previous.iterdir()):
            _check_replaceable(previous, path)
        os.rename(folder, path)
    except (OSError, ValueError):
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


def _beside(path, ending):
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.{ending}")


def _hidden(path, endings):
    """Folders beside a path that `_beside` named, the oldest first."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}\.({endings})")
    found = []
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):  # another process may have moved it
            if pattern.fullmatch(folder.name) and folder.is_dir():
                found.append((folder.stat().st_mtime, folder))
    return sorted(found)


def is_moving(path):
    """Whether nothing is at a path because it is being replaced in two steps, or that was killed"""
    return not path.exists() and bool(_hidden(path, "previous"))


def _restore(path):
    """Undo a replacement in two steps that was killed between them."""
    if not path.exists():
        for _, previous in _hidden(path, "previous")[-1:]:
            with contextlib.suppress(OSError):
                os.rename(previous, path)


def _remove_abandoned(path):
    for changed, folder in _hidden(path, "tmp|previous"):
        if time.time() - changed > _DAY:
            shutil.rmtree(folder, ignore_errors=True)
