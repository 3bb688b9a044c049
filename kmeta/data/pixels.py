"""Pictures of any kind as arrays of one kind."""

import numpy as np
from PIL import Image

from kmeta.checks import whole_number


def side_lengths(size):
    """Return `(height, width)` of `size`, which is None, an integer or such a pair."""
    if size is None:
        return None
    if isinstance(size, (tuple, list)) and len(size) == 2:
        return tuple(whole_number("size", side) for side in size)
    return (whole_number("size", size),) * 2


def plain(image):
    """Return a PIL image as "L" or "RGB".

    Transparent pixels become white; palettes, CMYK and YCbCr become RGB; 16-bit and 1-bit grey
    becomes 8-bit grey.
    """
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        return Image.fromarray((grey >> 8 if grey.max() > 255 else grey).clip(0, 255).astype("u1"))
    if "A" in image.getbands() or "transparency" in image.info:
        grey = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("L" if grey else "RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


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


def fitted(image, image_shape, crop=None):
    """Return a plain PIL image as float32 `image_shape` in [0, 1], resized without rounding.

    image_shape: `(height, width, 1 or 3)`. Exported graphs do the same, `kmeta.exporting.encoded`.
    crop: None takes the whole picture, without regard to its proportions; a share from 0 to 1 keeps
        these, and takes so much of the picture's shorter side, in its middle.
    """
    return resized(to_array(image, channels=image_shape[2]), image_shape, crop)


def resized(array, image_shape, crop=None):
    """Return pixels from 0 to 255, `[h, w, c]`, as float32 `image_shape` in [0, 1]; see `fitted`.

    With `scale = crop * min(h / height, w / width)` pixels of the picture for one of the image, the
    part taken is `height * scale` by `width * scale` in the middle.
    """
    height, width, _ = image_shape
    box = middle(array.shape, image_shape, crop)
    if array.shape != tuple(image_shape) or crop is not None:
        parts = [Image.fromarray(part.astype(np.float32)) for part in np.moveaxis(array, -1, 0)]
        parts = [part.resize((width, height), Image.Resampling.LANCZOS, box) for part in parts]
        array = np.stack([np.asarray(part) for part in parts], axis=-1).clip(0, 255)
    return array.astype(np.float32) / np.float32(255)


def middle(shape, image_shape, crop):
    """Return the part of a picture `[h, w, ...]` that is taken: left, top, right, bottom, or None.

    >>> middle((400, 300), (224, 224, 3), 0.5)
    (75.0, 125.0, 225.0, 275.0)
    """
    if crop is None:
        return None
    (rows, columns), (height, width) = shape[:2], image_shape[:2]
    scale = crop * min(rows / height, columns / width)
    across, down = (columns - width * scale) / 2, (rows - height * scale) / 2
    return across, down, columns - across, rows - down


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
