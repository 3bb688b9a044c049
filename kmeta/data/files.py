"""Files of a folder or a zip archive, read one by one and never unpacked to disk."""

import contextlib
import os
import stat
import warnings
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kmeta.edge.decoding import MAX_PIXELS, decode, is_heic

__all__ = ["LIMITS", "FileTree", "Limits", "decode", "find", "looks_like_a_picture", "places"]

PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # whose unpacking can be bounded
SMALL = 2**28  # bytes, which no ratio makes dangerous
CLUTTER = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN")  # folders that systems leave
SIGNATURES = (  # what files of pictures begin with, readable ones first
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM"),
    *(b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  "),
)


class Limits(NamedTuple):
    """How much a picture or an archive may unpack to.

    Attributes:
        max_pixels: pixels of one picture.
        max_file_bytes: bytes of one entry of an archive.
        max_total_bytes: bytes of all entries of an archive.
        max_ratio: how many times larger than the archive its entries may be together, where they
            are more than 256 MiB; white drawings in a small archive may pack a thousandfold.

    >>> Limits(max_pixels=1_000_000).max_pixels
    1000000
    """

    max_pixels: int = MAX_PIXELS
    max_file_bytes: int = 64 * 2**20
    max_total_bytes: int = 8 * 2**30
    max_ratio: int = 200


LIMITS = Limits()


class FileTree:
    """The files under a folder or in a zip archive, by their relative names with "/".

    Hidden files and folders (".name"), "__MACOSX" and what file servers leave, such as "@eaDir",
    are left out.

    Args:
        path: folder or ".zip" file.
        limits: `Limits`, of an archive. Sizes are those that the archive claims, and reading stops
            at the claimed size.

    Attributes:
        names: files, sorted.
        folders: folders, with a file in them or without, sorted.

    Raises:
        FileNotFoundError: if there is no such path.
        ValueError: if the file is no zip archive, an entry would escape from the folder, or the
            archive is encrypted or unpacks beyond a limit.
    """

    def __init__(self, path, limits=LIMITS):
        if not isinstance(path, (str, os.PathLike)):
            raise ValueError(f"Argument `path` must be a path. Received: path={path!r}")
        if not isinstance(limits, Limits):
            raise ValueError(f"Argument `limits` must be Limits(...). Received: limits={limits!r}")
        self.path = Path(path)
        self._zip = None
        if self.path.is_dir():
            names, folders = _walk(self.path)
        elif self.path.is_file():
            self._zip = _open_zip(self.path)
            entries = [(_plain_name(entry), entry) for entry in self._zip.infolist()]
            self._entries = {name: x for name, x in entries if name and not name.endswith("/")}
            self._check(self._entries, limits)
            names = list(self._entries)
            _warn_of_unknown_letters(self.path, self._zip)
            folders = [name.rstrip("/") for name, _ in entries if name.endswith("/")]
            folders += [str(parent) for name in names for parent in PurePosixPath(name).parents]
        else:
            raise FileNotFoundError(f"No such folder or zip archive: {self.path}")
        self.names = sorted({name for name in names if not _hidden(name)})
        self.folders = sorted({name for name in folders if not _hidden(name)})

    def read(self, name, most=None):
        """Return the bytes of file `name`, the first `most` of them; raises ValueError where it
        cannot be read."""
        try:
            if self._zip is None:
                with open(self.path / name, "rb") as file:
                    return file.read(-1 if most is None else most)
            entry = self._entries[name]
            with self._zip.open(entry) as file:
                return file.read(entry.file_size if most is None else most)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(f"Cannot read {name!r} in {self.path}: {error}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._zip is not None:
            self._zip.close()

    def _check(self, entries, limits):
        for name, entry in entries.items():
            if _escapes(name) or stat.S_ISLNK(entry.external_attr >> 16):
                raise ValueError(
                    "Archive entries must be plain files inside the archive's folder. "
                    f"Received: {entry.filename!r} in {self.path}"
                )
            if entry.flag_bits & 1 or entry.compress_type not in PACKINGS:
                raise ValueError(
                    "Archive entries must be stored or deflated, and not encrypted. "
                    f"Received: {entry.filename!r} in {self.path}"
                )
            if entry.file_size > limits.max_file_bytes:
                raise ValueError(
                    "An archive entry may unpack to `max_file_bytes`="
                    f"{limits.max_file_bytes} bytes. "
                    f"Received: {entry.filename!r} of {entry.file_size} bytes in {self.path}"
                )
        total = sum(entry.file_size for entry in entries.values())
        packed = self.path.stat().st_size
        if total > limits.max_total_bytes:
            raise ValueError(
                f"An archive may unpack to `max_total_bytes`={limits.max_total_bytes} bytes. "
                f"Received: {total} bytes in {self.path}"
            )
        if total > max(limits.max_ratio * packed, SMALL):
            raise ValueError(
                f"An archive may unpack to `max_ratio`={limits.max_ratio} times its size. "
                f"Received: {total} bytes out of {packed} in {self.path}"
            )


def looks_like_a_picture(head):
    """Return whether the first 16 bytes of a file are those of a picture, of whatever format."""
    riff = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return riff or is_heic(head) or head.startswith(SIGNATURES)


def find(names, data_dir, folder):
    """Return `{name: path}` of the folders or zip archives found under each of `names`.

    Looks for `name` and `name.zip` in `data_dir`, `data_dir/folder`, `$KMETA_DATA/folder` and
    `$KMETA_DATA`, in this order. Raises FileNotFoundError where `data_dir` is no folder.
    """
    found = {}
    for name in names:
        for place in places(data_dir, folder):
            for path in (place / name, place / f"{name}.zip"):
                if path.exists():
                    found.setdefault(name, path)
    return found


def places(data_dir, folder):
    """Return the folders that `find` looks in."""
    if data_dir is not None and not isinstance(data_dir, (str, os.PathLike)):
        raise ValueError(f"Argument `data_dir` must be a path. Received: data_dir={data_dir!r}")
    if data_dir is not None and not Path(data_dir).is_dir():
        raise FileNotFoundError(f"No such folder: data_dir={str(data_dir)!r}")
    shared = os.environ.get("KMETA_DATA")
    own = [Path(data_dir), Path(data_dir, folder)] if data_dir is not None else []
    return own + ([Path(shared, folder), Path(shared)] if shared else [])


def _walk(path):
    names, folders = [], []
    for here, below, files in os.walk(path, followlinks=True):
        at = Path(here).relative_to(path)
        if any(os.path.samefile(here, path / parent) for parent in at.parents):
            below.clear()  # a link that goes in a circle
            continue
        names += [(at / name).as_posix() for name in files]
        folders += [(at / name).as_posix() for name in below]
    return names, folders


def _open_zip(path):
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(
            f"Expected a folder or a zip archive. Received: {path}: {error}"
        ) from error


def _escapes(name):
    parts = name.replace("\\", "/").split("/")
    return not parts[0] or ":" in parts[0] or ".." in parts


def _hidden(name):
    return name == "." or any(part.startswith(".") or part in CLUTTER for part in name.split("/"))


def _warn_of_unknown_letters(path, archive):
    """Warn where an archive does not say what letters its names are written in, nor shows it."""
    odd = [x.filename for x in archive.infolist() if not x.filename.isascii() and not _utf8(x)]
    if odd:
        warnings.warn(
            f"The archive {path} does not say what letters its names are written in, so that "
            f"{odd[0]!r} may be wrong. If it is, unpack the archive and give its folder",
            stacklevel=4,
        )


def _utf8(entry):
    """The name of an archive's entry if it is UTF-8, said or not; None if it is read as cp437."""
    if entry.flag_bits & 0x800:
        return entry.filename
    with contextlib.suppress(ValueError):
        return entry.filename.encode("cp437").decode("utf-8")
    return None


def _plain_name(entry):
    """The name of an archive's entry with "/", without "./"; some programs write backslashes."""
    name = (_utf8(entry) or entry.filename).replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name
