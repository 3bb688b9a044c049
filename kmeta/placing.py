"""Files that appear at their places whole, or not at all.

`kmeta.edge.place` does the same with the folders of bundles.
"""

import contextlib
import glob
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_DAY = 24 * 60 * 60


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str], overwrite: bool = True) -> Iterator[Path]:
    """Yield the path of a new file, beside `path`, that moves there when the block ends.

    Whenever the process dies, `path` holds the old content or the new, never a part of it, also
    where other processes write to the same place. One that is killed leaves a hidden file
    `.NAME.*.partial` behind, with the ending of `path`; the next one a day later removes it.

    Args:
        path: of the file. Its folder is made if there is none.
        overwrite: whether what is at `path` may be replaced.

    Raises:
        FileExistsError: if `overwrite` is False and there is something at `path` when the block
            ends, which then stays.

    Example:
        >>> with replaced("page.txt") as draft:
        ...     _ = draft.write_text("whole")
        >>> Path("page.txt").read_text()
        'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial{path.suffix}")
    _remove_abandoned(path)
    try:
        yield draft
        with open(draft, "rb") as file:
            os.fsync(file.fileno())
        if overwrite:
            os.replace(draft, path)
        else:
            _place_new(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _place_new(draft, path):
    """Move a file to where nothing is."""
    try:
        os.link(draft, path)
    except FileExistsError as error:
        raise FileExistsError(f"{path} exists; it came into being meanwhile") from error
    except OSError:  # a file system without links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(draft, path)


def _remove_abandoned(path):
    """Remove what processes that were killed more than a day ago have left."""
    pattern = re.compile(
        rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}\.partial{re.escape(path.suffix)}"
    )
    for other in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError):  # another process may have removed it
            is_old = time.time() - other.stat().st_mtime > _DAY
            if pattern.fullmatch(other.name) and is_old:
                other.unlink()
