"""Pillow's images as arrays of one kind, by the rules of kmeta; needs Pillow."""

import numpy as np
from PIL import Image

_STRIP = 1 << 18  # pixels of a picture that are looked at together
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
    """Return a PIL image turned as the mark of its camera says; marks of odd kinds say nothing.

    The mark is that of the file's EXIF block, as in browsers; XMP and comments are not searched.
    """
    block = Image.Exif()
    try:
        block.load(image.info.get("exif", b""))
        mark = block.get(0x0112)
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
        grey = np.asarray(image)
        return Image.fromarray((grey >> 8 if grey.max() > 255 else grey).clip(0, 255).astype("u1"))
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if "A" in image.getbands() or "transparency" in image.info:
        opaque = Image.new(mode, image.size)
        for top, strip in _strips(image):
            opaque.paste(_on_white(strip.convert("RGBA")).convert(mode), (0, top))
        return opaque
    return _converted(image, mode)


def _on_white(image):
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _converted(image, mode):
    """An image in a mode; Pillow copies also where it has it already."""
    return image if image.mode == mode else image.convert(mode)


def _strips(image):
    """The rows of an image, some at a time, each with its place: what is done with a whole image
    takes several times its memory."""
    height = max(1, _STRIP // image.width)
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(image.height, top + height)))


def fitted(image, image_shape, crop=None):
    """Return a plain PIL image as float32 `image_shape` in [0, 1], resized without rounding.

    image_shape: `(height, width, 1 or 3)`. Exported graphs do the same.
    crop: None takes the whole picture, without regard to its proportions; a share from 0 to 1 keeps
        these, and takes so much of the picture's shorter side, in its middle.
    """
    image = _converted(image, "L" if image_shape[2] == 1 else "RGB")
    strips = (np.asarray(strip) for _, strip in _strips(image))
    strips = (strip.reshape(*strip.shape[:2], -1) for strip in strips)
    return _resized(strips, (image.height, image.width), image_shape, crop)


def resized(array, image_shape, crop=None):
    """Return pixels from 0 to 255, `[h, w, c]`, as float32 `image_shape` in [0, 1]; see `fitted`.

    With `scale = crop * min(h / height, w / width)` pixels of the picture for one of the image, the
    part taken is `height * scale` by `width * scale` in the middle.
    """
    return _resized([array], array.shape[:2], image_shape, crop)


def _resized(strips, shape, image_shape, crop):
    """As `resized`, of the rows of a picture of a shape, some at a time.

    First along the width, of each strip; then along the height. Pillow itself takes the sides in
    the order that is less work, which rounds differently by 1e-7.
    """
    (rows, columns), (height, width) = shape, image_shape[:2]
    box = middle(shape, image_shape, crop)
    if (rows, columns) == (height, width) and box is None:
        pixels = np.concatenate(list(strips)).astype(np.float32)
    else:
        left, top, right, bottom = box or (0, 0, columns, rows)
        narrow = [_lanczos(x, (width, len(x)), (left, 0, right, len(x))) for x in strips]
        pixels = _lanczos(np.concatenate(narrow), (width, height), (0, top, width, bottom))
    return pixels.clip(0, 255) / np.float32(255)


def _lanczos(array, size, box):
    """Planes `[h, w, c]` resized to `(width, height)` of a box, float32."""
    planes = (Image.fromarray(part.astype(np.float32)) for part in np.moveaxis(array, -1, 0))
    found = [np.asarray(plane.resize(size, Image.Resampling.LANCZOS, box)) for plane in planes]
    return np.stack(found, axis=-1)


def middle(shape, image_shape, crop):
    """Return the part of a picture `[h, w, ...]` that is taken: left, top, right, bottom, or None.

    >>> middle((400, 300), (224, 224, 3), 0.5)
    (75.0, 125.0, 225.0, 275.0)
    """
    if crop is None:
        return None
    (rows, columns), (height, width) = shape[:2], image_shape[:2]
    scale = crop * min(rows / height, columns / width)
    across = max(0.0, (columns - width * scale) / 2)  # less than 0 by rounding, where all is taken
    down = max(0.0, (rows - height * scale) / 2)
    return across, down, columns - across, rows - down
