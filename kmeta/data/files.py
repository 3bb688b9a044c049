"""Files of a folder or a zip archive, read one by one and never unpacked to disk."""

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from kmeta.edge.pixels import upright

PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # whose unpacking can be bounded
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")

DAMAGE = (  # what Pillow raises on a damaged or excessive file
    *(OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error),
    Image.DecompressionBombError,
)


class Limits(NamedTuple):
    """How much a picture or an archive may unpack to.

    Attributes:
        max_pixels: pixels of one picture.
        max_file_bytes: bytes of one entry of an archive.
        max_total_bytes: bytes of all entries of an archive.
        max_ratio: how many times larger than the archive its entries may be together.

    >>> Limits(max_pixels=1_000_000).max_pixels
    1000000
    """

    max_pixels: int = 64_000_000
    max_file_bytes: int = 64 * 2**20
    max_total_bytes: int = 8 * 2**30
    max_ratio: int = 200


LIMITS = Limits()


class FileTree:
    """The files under a folder or in a zip archive, by their relative names with "/".

    Hidden files and folders (".name") and "__MACOSX" are left out.

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
            entries = self._zip.infolist()
            self._check([entry for entry in entries if not entry.is_dir()], limits)
            names = [entry.filename for entry in entries if not entry.is_dir()]
            folders = [entry.filename.rstrip("/") for entry in entries if entry.is_dir()]
            folders += [str(parent) for name in names for parent in PurePosixPath(name).parents]
        else:
            raise FileNotFoundError(f"No such folder or zip archive: {self.path}")
        self.names = sorted({name for name in names if not _hidden(name)})
        self.folders = sorted({name for name in folders if not _hidden(name)})

    def read(self, name):
        """Return the bytes of file `name`; raises ValueError where it cannot be read."""
        if self._zip is None:
            try:
                return (self.path / name).read_bytes()
            except OSError as error:
                raise ValueError(f"Cannot read {name!r} in {self.path}: {error}") from error
        try:
            with self._zip.open(name) as file:
                return file.read(self._zip.getinfo(name).file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"Cannot read {name!r} in {self.path}: {error}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._zip is not None:
            self._zip.close()

    def _check(self, entries, limits):
        for entry in entries:
            if _escapes(entry.filename) or stat.S_ISLNK(entry.external_attr >> 16):
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
        total, packed = sum(entry.file_size for entry in entries), self.path.stat().st_size
        if total > limits.max_total_bytes:
            raise ValueError(
                f"An archive may unpack to `max_total_bytes`={limits.max_total_bytes} bytes. "
                f"Received: {total} bytes in {self.path}"
            )
        if total > limits.max_ratio * packed:
            raise ValueError(
                f"An archive may unpack to `max_ratio`={limits.max_ratio} times its size. "
                f"Received: {total} bytes out of {packed} in {self.path}"
            )


def decode(data, where, max_pixels=LIMITS.max_pixels):
    """Return the PIL image in `data`, loaded, and upright as its EXIF data say.

    Args:
        data: bytes of a PNG, JPEG, GIF, BMP or WebP file.
        where: its name, for messages.
        max_pixels: how large it may be by its header, before anything is unpacked.

    Raises:
        ValueError: if it is none of these, damaged or too large.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > max_pixels:
            raise ValueError(
                f"it has {image.width} x {image.height} pixels, more than `max_pixels`={max_pixels}"
            )
        image.load()
        return upright(image)
    except UnidentifiedImageError as error:
        kinds = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise ValueError(f"Cannot read the image {where}: it is no {kinds} file") from error
    except DAMAGE as error:
        raise ValueError(f"Cannot read the image {where}: {error}") from error


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
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"Expected a folder or a zip archive. Received: {path}: {error}"
        ) from error


def _escapes(name):
    parts = name.replace("\\", "/").split("/")
    return not parts[0] or ":" in parts[0] or ".." in parts


def _hidden(name):
    return name == "." or any(
        part.startswith(".") or part == "__MACOSX" for part in name.split("/")
    )
