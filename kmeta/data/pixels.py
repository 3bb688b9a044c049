"""Pictures of any kind as arrays of one kind."""

import numpy as np
from PIL import Image

from kmeta.checks import whole_number
from kmeta.edge.pixels import fitted, plain, resized

__all__ = ["fitted", "plain", "resized", "side_lengths", "stack", "to_array"]


def side_lengths(size):
    """Return `(height, width)` of `size`, which is None, an integer or such a pair."""
    if size is None:
        return None
    if isinstance(size, (tuple, list)) and len(size) == 2:
        return tuple(whole_number("size", side) for side in size)
    return (whole_number("size", size),) * 2


def to_array(image, size=None, channels=None):
    """Return a plain PIL image as uint8 `[h, w, c]`.

    size: `(height, width)` to resize to, by a Lanczos filter and without regard to proportions.
    channels: 1, 3, or None for as many as it has.
    """
    if channels is not None:
        image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def stack(arrays, names):
    """Return uint8 arrays `[h, w, c]` as one `[n, h, w, c]`, grey ones with 3 channels if any has.

    names: what each is, for messages. Raises ValueError where heights or widths differ.
    """
    for array, name in zip(arrays, names, strict=True):
        if array.shape[:2] != arrays[0].shape[:2]:
            raise ValueError(
                "Images must all have the same size; pass `size` to resize them. Received: "
                f"{arrays[0].shape[:2]} of {names[0]} and {array.shape[:2]} of {name}"
            )
    channels = max(array.shape[2] for array in arrays)
    result = np.empty((len(arrays), *arrays[0].shape[:2], channels), np.uint8)
    for row, array in zip(result, arrays, strict=True):
        row[:] = array
    return result
