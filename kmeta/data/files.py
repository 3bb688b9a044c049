"""Files of a folder or a zip archive, read one by one and never unpacked to disk."""

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
MAX_PIXELS = 64_000_000
MIB = 2**20


class FileTree:
    """The files under a folder or in a zip archive, by their relative names with "/".

    Hidden files and folders (".name") and "__MACOSX" are left out.

    path: folder or ".zip" file.
    max_file_bytes, max_total_bytes, max_ratio: how large one entry and all entries of an archive
        may unpack to, and how many times larger than the archive itself.

    Raises FileNotFoundError where there is no such path, and ValueError where the file is no zip
    archive, an entry would escape from the folder, or the archive is encrypted or unpacks beyond a
    limit. Sizes in an archive are its own claims, and reading stops at the claimed size.
    """

    def __init__(self, path, max_file_bytes=64 * MIB, max_total_bytes=8192 * MIB, max_ratio=200):
        self.path = Path(path)
        self._zip = None
        if self.path.is_dir():
            found = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
            self.names = [item.relative_to(path).as_posix() for item in found]
        elif self.path.is_file():
            self._zip = _open_zip(self.path)
            self._check_entries(max_file_bytes, max_total_bytes, max_ratio)
            self.names = [entry.filename for entry in self._entries()]
        else:
            raise FileNotFoundError(f"No such folder or zip archive: {self.path}")
        self.names = sorted(name for name in self.names if not _hidden(name))

    def read(self, name):
        """Return the bytes of file `name`; raises ValueError where the archive is damaged."""
        if self._zip is None:
            return (self.path / name).read_bytes()
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(f"Cannot read {name!r} in {self.path}: {error}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._zip is not None:
            self._zip.close()

    def _entries(self):
        return [entry for entry in self._zip.infolist() if not entry.is_dir()]

    def _check_entries(self, max_file_bytes, max_total_bytes, max_ratio):
        total = 0
        for entry in self._entries():
            if _escapes(entry.filename) or stat.S_ISLNK(entry.external_attr >> 16):
                raise ValueError(
                    f"Archive entries must be plain files inside the archive's folder. "
                    f"Received: {entry.filename!r} in {self.path}"
                )
            if entry.flag_bits & 1:
                raise ValueError(f"Archive must not be encrypted. Received: {self.path}")
            if entry.file_size > max_file_bytes:
                raise ValueError(
                    f"Archive entries may unpack to {max_file_bytes} bytes (`max_file_bytes`). "
                    f"Received: {entry.filename!r} of {entry.file_size} bytes in {self.path}"
                )
            total += entry.file_size
        if total > max_total_bytes:
            raise ValueError(
                f"An archive may unpack to {max_total_bytes} bytes in all (`max_total_bytes`). "
                f"Received: {total} bytes in {self.path}"
            )
        if total > max_ratio * self.path.stat().st_size:
            raise ValueError(
                f"An archive may unpack to {max_ratio} times its size (`max_ratio`). "
                f"Received: {total} bytes in {self.path} of {self.path.stat().st_size} bytes"
            )


def decode(data, where, max_pixels=MAX_PIXELS):
    """Return the PIL image in `data`, loaded.

    data: bytes of a PNG, JPEG, GIF, BMP or WebP file. where: its name, for messages.

    Raises ValueError where it is none of these, damaged, or has more than `max_pixels` pixels
    (found from the header, before anything is unpacked).
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > max_pixels:
            raise ValueError(
                f"it has {image.width} x {image.height} pixels, more than `max_pixels`={max_pixels}"
            )
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error) as error:
        raise ValueError(f"Cannot read the image {where}: {error}") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"Cannot read the image {where}: {error}") from error
    return image


def find(names, data_dir, folder):
    """Return `{name: path}` of the folders or zip archives found under each of `names`.

    Looks for `name` and `name.zip` in `data_dir`, `data_dir/folder`, `$KMETA_DATA` and
    `$KMETA_DATA/folder`, in this order.
    """
    places = [place for base in bases(data_dir) for place in (base, base / folder)]
    found = {}
    for name in names:
        for place in places:
            for path in (place / name, place / f"{name}.zip"):
                if name not in found and path.exists():
                    found[name] = path
    return found


def bases(data_dir):
    """Return the folders to look in; raises FileNotFoundError where `data_dir` is none."""
    if data_dir is not None and not Path(data_dir).is_dir():
        raise FileNotFoundError(f"No such folder: data_dir={str(data_dir)!r}")
    given = [data_dir, os.environ.get("KMETA_DATA")]
    return [Path(base) for base in given if base]


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
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
