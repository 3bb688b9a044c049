"""Single pictures, from files or arrays of any size, as a classifier takes them."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from kmeta.data.files import decode
from kmeta.edge.images import ROUNDING
from kmeta.edge.pixels import fitted, plain, resized, upright


def coloured(image):
    """Return whether a plain PIL image has colours."""
    pixels = np.asarray(image)
    return pixels.ndim == 3 and bool(np.ptp(pixels, axis=-1).any())


def picture(image, image_shape, crop=None):
    """Return one picture as float32 `image_shape` in [0, 1].

    Args:
        image: path of a file; its content as bytes; PIL image; array `[height, width]` or
            `[height, width, 1 or 3]`, of uint8 or of floats in [0, 1], of any size. Floats of
            `image_shape` are taken as they are.
        image_shape: `(height, width, 1 or 3)`.
        crop: what is taken of a photograph, see `kmeta.data.pixels.fitted`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or the array is none of those.
    """
    if isinstance(image, (str, Path)):
        if not Path(image).is_file():
            raise FileNotFoundError(f"No such picture: {image}")
        image = decode(Path(image).read_bytes(), str(image))
    elif isinstance(image, bytes):
        image = decode(image, "given as bytes")
    elif isinstance(image, Image.Image):
        image = upright(image)
    if isinstance(image, Image.Image):
        return fitted(plain(image), image_shape, crop)
    array = np.asarray(image)
    is_float = array.dtype.kind == "f"
    is_picture = array.ndim in (2, 3) and array.shape[2:] in ((), (1,), (3,)) and array.size > 0
    if not (is_float and array.shape == tuple(image_shape)) and not (
        is_picture and (is_float or array.dtype == np.uint8)
    ):
        raise ValueError(
            "Argument `images` must hold paths, PIL images, arrays [height, width, 1 or 3] of "
            f"uint8, or floats in [0, 1]. Received: {array.dtype} of shape {array.shape}"
        )
    if not is_float:
        squeezed = array[..., 0] if array.shape[2:] == (1,) else array
        return fitted(Image.fromarray(squeezed), image_shape, crop)
    if not (array.min() >= -ROUNDING and array.max() <= 1 + ROUNDING):
        raise ValueError(
            "Argument `images` must hold floats in [0, 1]. "
            f"Received: {array.min()} to {array.max()}"
        )
    if array.shape == tuple(image_shape):
        return array.astype(np.float32)
    pixels = 255 * (array if array.ndim == 3 else array[..., None]).astype(np.float32)
    return resized(_with_channels(pixels, image_shape[2]), image_shape, crop)


def pictures_of(images):
    """List of single pictures, see `picture`: of one, of a list of them, or of an array of them.

    An array, or tensor, `[height, width]` or `[height, width, 1 or 3]` is one picture.

    Raises:
        ValueError: if there is none, or `images` is none of these.
    """
    if isinstance(images, (str, bytes, Path, Image.Image)):
        return [images]
    if hasattr(images, "shape") and hasattr(images, "dtype"):
        images = np.asarray(images)
        is_one = images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3))
        images = [images] if is_one and images.dtype.kind in "uf" else list(images)
    if not hasattr(images, "__len__"):
        raise ValueError(
            "Argument `images` must hold paths of pictures, or arrays. "
            f"Received: {type(images).__name__}"
        )
    if len(images) == 0:
        raise ValueError("Argument `images` must hold at least one picture. Received: none")
    return list(images)


def _with_channels(pixels, channels):
    """Grey pixels three times, or colours as grey as Pillow makes them, without its rounding."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return pixels.repeat(3, axis=2)
    return pixels @ np.float32([[0.299], [0.587], [0.114]])


def digest(array):
    """Return 16 bytes that are equal for equal arrays."""
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()


def warn_of_duplicates(digests, files):
    """Warn of files whose pictures, by their `digest`, are those of other files; those in folders
    of two classes come first."""
    first, pairs = {}, []
    for mark, file in zip(digests, files, strict=True):
        other = first.setdefault(mark, file)
        if other is not file:
            apart = Path(file).parent != Path(other).parent
            pairs.append((not apart, f"{file} is {other}" + ", of another class" * apart))
    if pairs:
        pairs = [text for _, text in sorted(pairs, key=lambda pair: pair[0])]
        more = f", and {len(pairs) - 5} more" if len(pairs) > 5 else ""
        warnings.warn(f"The same picture twice: {'; '.join(pairs[:5])}{more}", stacklevel=4)
