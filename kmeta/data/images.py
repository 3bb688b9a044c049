"""One rule for pixels: learners and classifiers see floats in [0, 1]."""

import numpy as np

SCALING = "uint8 pixels are divided by 255; floats are used as they are, in [0, 1]"


def to_float(x, name):
    """Float32 array of images or features, uint8 divided by 255.

    Args:
        x: `[items, ...]` array of at least two dimensions, floats or uint8.
        name: of the argument, for the error.

    Raises:
        ValueError: if there is no item, the values are of another type, or they are not finite.
    """
    x = np.asarray(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(
            f"Argument `{name}` must be an array `[items, ...]` with at least one item. "
            f"Received: {name}.shape={x.shape}"
        )
    if x.dtype == np.uint8:
        return x.astype("float32") / np.float32(255)
    if x.dtype.kind != "f":
        raise ValueError(
            f"Argument `{name}` must hold floats in [0, 1] or uint8. "
            f"Received: {name}.dtype={x.dtype}"
        )
    x = x.astype("float32")
    if not np.isfinite(x).all():
        raise ValueError(f"Argument `{name}` must be finite. Received: NaN or infinity in {name}")
    return x
