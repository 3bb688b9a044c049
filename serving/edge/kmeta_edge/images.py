"""One rule for pixels: learners and classifiers see floats in [0, 1]."""

import math

import numpy as np

SCALING = "uint8 pixels are divided by 255; floats are used as they are, in [0, 1]"
ROUNDING = 1e-3  # that resizing and half precision may be outside [0, 1]
_AT_ONCE, _PIXELS_AT_ONCE = 256, 1 << 17


def at_once(image_shape):
    """How many images are computed together: what networks make of them takes memory by the pixel.

    >>> at_once((28, 28, 1)), at_once((224, 224, 3))
    (167, 2)
    """
    return max(1, min(_AT_ONCE, _PIXELS_AT_ONCE // math.prod(image_shape[:2])))


def to_float(x, name, image_shape=None):
    """Float32 array of images or features, uint8 divided by 255.

    Args:
        x: `[items, ...]` array of at least two dimensions, uint8, or floats: pixels in [0, 1] (to
            1e-3, for rounding); vectors `[items, features]`, which are no pictures, any numbers.
        name: of the argument, for the error.
        image_shape: of one item, where it is known.

    Raises:
        ValueError: if there is no item, the shape is another one, the values are of another type,
            are not finite, or are pixels outside [0, 1].
    """
    x = np.asarray(x)
    wanted = None if image_shape is None else tuple(image_shape)
    if x.ndim < 2 or len(x) == 0 or wanted not in (None, x.shape[1:]):
        shape = ", ".join(map(str, ("n", *(wanted or ("...",)))))
        raise ValueError(
            f"Argument `{name}` must have the shape [{shape}], n at least 1. "
            f"Received: {name}.shape={x.shape}"
        )
    if x.dtype == np.uint8:
        return x.astype("float32") / np.float32(255)
    if x.dtype.kind != "f":
        raise ValueError(
            f"Argument `{name}` must hold floats in [0, 1] or uint8. "
            f"Received: {name}.dtype={x.dtype}"
        )
    x = x.astype("float32", copy=False)
    least, most = x.min(), x.max()
    if not np.isfinite([least, most]).all():
        raise ValueError(f"Argument `{name}` must be finite. Received: NaN or infinity in {name}")
    if x.ndim > 2 and (least < -ROUNDING or most > 1 + ROUNDING):
        raise ValueError(
            f"Argument `{name}` must hold floats in [0, 1] or uint8. "
            f"Received: floats from {least:g} to {most:g}"
        )
    return x
