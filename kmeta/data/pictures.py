"""Single pictures, from files or arrays of any size, as a classifier takes them."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from kmeta.data.files import decode
from kmeta.data.pixels import fitted, plain


def coloured(image):
    """Return whether a plain PIL image has colours."""
    pixels = np.asarray(image)
    return pixels.ndim == 3 and bool(np.ptp(pixels, axis=-1).any())


def picture(image, image_shape):
    """Return one picture as float32 `image_shape` in [0, 1].

    Args:
        image: path of a file; array `[height, width]` or `[height, width, 1 or 3]` of uint8, of any
            size; or floats in [0, 1] of `image_shape`.
        image_shape: `(height, width, 1 or 3)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, or the array is none of those.
    """
    if isinstance(image, (str, Path)):
        if not Path(image).is_file():
            raise FileNotFoundError(f"No such picture: {image}")
        return fitted(plain(decode(Path(image).read_bytes(), str(image))), image_shape)
    array = np.asarray(image)
    if array.dtype == np.uint8 and array.ndim in (2, 3) and array.shape[2:] in ((), (1,), (3,)):
        squeezed = array[..., 0] if array.shape[2:] == (1,) else array
        return fitted(Image.fromarray(squeezed), image_shape)
    if array.dtype.kind != "f" or array.shape != image_shape:
        raise ValueError(
            "Argument `images` must hold paths, arrays [height, width, 1 or 3] of uint8, or floats "
            f"of the shape {image_shape}. Received: {array.dtype} of shape {array.shape}"
        )
    if not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            "Argument `images` must hold floats in [0, 1]. "
            f"Received: {array.min()} to {array.max()}"
        )
    return array.astype(np.float32)


def warn_of_duplicates(arrays, files):
    """Warn of files whose pictures, as arrays, are those of other files; those in folders of two
    classes come first."""
    first, pairs = {}, []
    for array, file in zip(arrays, files, strict=True):
        other = first.setdefault(array.tobytes(), file)
        if other is not file:
            apart = Path(file).parent != Path(other).parent
            pairs.append((not apart, f"{file} is {other}" + ", of another class" * apart))
    if pairs:
        pairs = [text for _, text in sorted(pairs, key=lambda pair: pair[0])]
        more = f", and {len(pairs) - 5} more" if len(pairs) > 5 else ""
        warnings.warn(f"The same picture twice: {'; '.join(pairs[:5])}{more}", stacklevel=3)
