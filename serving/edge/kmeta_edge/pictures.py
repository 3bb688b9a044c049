"""Picture files as arrays, by the rules of kmeta; needs Pillow."""

from pathlib import Path

import numpy as np


def read(paths, image_shape, invert=False):
    """Return float `[n, *image_shape]` in [0, 1] of picture files, resized.

    invert: swap dark and light.

    Raises:
        ImportError: if Pillow is not installed.
        ValueError: if a file is absent or no picture, or images are none that a picture can be.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading pictures needs Pillow: pip install kmeta-edge[pictures]"
        ) from error
    if len(image_shape) != 3 or image_shape[-1] not in (1, 3):
        raise ValueError(f"The bundle classifies arrays of the shape {image_shape}, no pictures")
    channels = image_shape[-1]
    found = []
    for path in paths:
        if not Path(path).is_file():
            raise ValueError(f"No such picture: {path}")
        try:
            with Image.open(path, formats=("PNG", "JPEG", "GIF", "BMP", "WEBP")) as file:
                image = _plain(file).convert("L" if channels == 1 else "RGB")
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise ValueError(f"Cannot read the picture {path}") from error
        found.append(_fitted(image, tuple(image_shape)))
    images = np.stack(found)
    return 1 - images if invert else images


def _fitted(image, image_shape):
    """Float `image_shape` in [0, 1], resized without rounding."""
    from PIL import Image

    height, width, channels = image_shape
    array = np.asarray(image).reshape(image.height, image.width, channels)
    if array.shape != image_shape:
        parts = [Image.fromarray(part.astype(np.float32)) for part in np.moveaxis(array, -1, 0)]
        parts = [part.resize((width, height), Image.Resampling.LANCZOS) for part in parts]
        array = np.stack([np.asarray(part) for part in parts], axis=-1).clip(0, 255)
    return array.astype(np.float32) / np.float32(255)


def _plain(image):
    """Turned as its camera says, transparent pixels white, 16-bit grey as 8-bit grey."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.int64)
        return Image.fromarray((grey >> 8 if grey.max() > 255 else grey).clip(0, 255).astype("u1"))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "L" else image.convert("RGB")
