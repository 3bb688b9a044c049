"""Pillow's images as arrays of one kind, by the rules of kmeta; needs Pillow."""

import numpy as np
from PIL import Image

TURNS = {  # by the numbers of EXIF's Orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image):
    """Return a PIL image turned as the mark of its camera says; marks of odd kinds say nothing."""
    try:
        mark = image.getexif().get(0x0112)
    except Exception:  # whatever a block that breaks the rules makes Pillow raise
        return image
    turn = TURNS.get(mark) if isinstance(mark, int) else None
    return image if turn is None else image.transpose(turn)


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


def fitted(image, image_shape, crop=None):
    """Return a plain PIL image as float32 `image_shape` in [0, 1], resized without rounding.

    image_shape: `(height, width, 1 or 3)`. Exported graphs do the same.
    crop: None takes the whole picture, without regard to its proportions; a share from 0 to 1 keeps
        these, and takes so much of the picture's shorter side, in its middle.
    """
    image = image.convert("L" if image_shape[2] == 1 else "RGB")
    planes = (image.getchannel(band).convert("F") for band in image.getbands())
    return _stacked(planes, (image.height, image.width), image_shape, crop)


def resized(array, image_shape, crop=None):
    """Return pixels from 0 to 255, `[h, w, c]`, as float32 `image_shape` in [0, 1]; see `fitted`.

    With `scale = crop * min(h / height, w / width)` pixels of the picture for one of the image, the
    part taken is `height * scale` by `width * scale` in the middle.
    """
    planes = (Image.fromarray(part.astype(np.float32)) for part in np.moveaxis(array, -1, 0))
    return _stacked(planes, array.shape[:2], image_shape, crop)


def _stacked(planes, shape, image_shape, crop):
    """Images of mode "F", made one by one since each takes much memory, as one image."""
    height, width, _ = image_shape
    if tuple(shape) != (height, width) or crop is not None:
        box, lanczos = middle(shape, image_shape, crop), Image.Resampling.LANCZOS
        planes = (plane.resize((width, height), lanczos, box) for plane in planes)
    pixels = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    return pixels.clip(0, 255) / np.float32(255)


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
