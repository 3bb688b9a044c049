"""Picture files as arrays, by the rules of kmeta; needs Pillow."""

from pathlib import Path

import numpy as np


def read(paths, image_shape, invert=False, crop=None):
    """Return float `[n, *image_shape]` in [0, 1] of picture files, resized.

    invert: swap dark and light.
    crop: what is taken of a picture, see `kmeta_edge.pixels.fitted`.

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
    from .pixels import fitted, plain, upright

    if len(image_shape) != 3 or image_shape[-1] not in (1, 3):
        raise ValueError(f"The bundle classifies arrays of the shape {image_shape}, no pictures")
    found = []
    for path in paths:
        if not Path(path).is_file():
            raise ValueError(f"No such picture: {path}")
        try:
            with Image.open(path, formats=("PNG", "JPEG", "GIF", "BMP", "WEBP")) as file:
                file.load()
                found.append(fitted(plain(upright(file)), tuple(image_shape), crop))
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise ValueError(f"Cannot read the picture {path}") from error
    images = np.stack(found)
    return 1 - images if invert else images
