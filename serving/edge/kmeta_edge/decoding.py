"""The files of pictures, decoded by one rule; needs Pillow."""

import io
import struct
import zlib

from PIL import Image, UnidentifiedImageError

from .pixels import upright

HEIC = (b"heic", b"heix", b"heif", b"hevc", b"mif1", b"msf1")  # brands of a camera's HEIC files
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")

DAMAGE = (  # what Pillow raises on a damaged or excessive file
    *(OSError, SyntaxError, ValueError, EOFError, zlib.error, struct.error),
    Image.DecompressionBombError,
)
MAX_PIXELS = 64_000_000  # of one picture


def decode(data, where, max_pixels=MAX_PIXELS):
    """Return the PIL image in `data`, loaded, and upright as its EXIF data say.

    Args:
        data: bytes of a PNG, JPEG, GIF, BMP or WebP file, or of HEIC where pillow-heif is
            installed.
        where: its name, for messages.
        max_pixels: how large it may be by its header, before anything is unpacked.

    Raises:
        ValueError: if it is none of these, damaged or too large.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=(*FORMATS, *_heic_formats(data)))
        if image.width * image.height > max_pixels:
            raise ValueError(
                f"it has {image.width} x {image.height} pixels, more than `max_pixels`={max_pixels}"
            )
        return upright(_loaded(image))
    except UnidentifiedImageError as error:
        kinds = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        more = "; HEIC needs pillow-heif: pip install kmeta[heic]" if is_heic(data) else ""
        raise ValueError(f"Cannot read the image {where}: it is no {kinds} file{more}") from error
    except DAMAGE as error:
        raise ValueError(f"Cannot read the image {where}: {error}") from error


def _loaded(image):
    """An image with its pixels.

    The decoder of WebP keeps two canvases: they go before the pixels are copied, which is a quarter
    of the memory at the peak.
    """
    if image.format != "WEBP" or not hasattr(image, "_get_next"):
        image.load()
        return image
    pixels = image._get_next()[0]
    image._decoder = None
    found = Image.frombytes(image.mode, image.size, pixels, "raw", image.rawmode)
    found.info = image.info
    return found


def is_heic(data):
    """Return whether a file begins as HEIC files of cameras do."""
    return data[4:8] == b"ftyp" and data[8:12] in HEIC


def _heic_formats(data):
    """`("HEIF",)` for a HEIC file, where the optional pillow-heif is installed."""
    if not is_heic(data):
        return ()
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]
    except ImportError:
        return ()
    pillow_heif.register_heif_opener()
    return ("HEIF",)
