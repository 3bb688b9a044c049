"""Pictures as arrays that a bundle takes, by the rules of kmeta; needs Pillow."""

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
    for path in paths:
        if not Path(path).is_file():
            raise ValueError(f"No such picture: {path}")
    files = ((str(path), Path(path).read_bytes()) for path in paths)
    return prepared(files, image_shape, invert, crop)


def prepared(files, image_shape, invert=False, crop=None, **limits):
    """As `read`, of pairs of a name and the bytes of a file; `limits` are those of
    `kmeta_edge.decoding.decode`."""
    try:
        from .decoding import decode
        from .pixels import fitted, plain
    except ImportError as error:
        raise ImportError(
            "Reading pictures needs Pillow: pip install kmeta-edge[pictures]"
        ) from error
    if not are_pictures(image_shape):
        raise ValueError(f"The bundle classifies arrays of the shape {image_shape}, no pictures")
    shape = tuple(image_shape)
    images = [fitted(plain(decode(data, name, **limits)), shape, crop) for name, data in files]
    return 1 - np.stack(images) if invert else np.stack(images)


def are_pictures(image_shape):
    """Whether images of a shape are what pictures can become: `[height, width, 1 or 3]`."""
    return len(image_shape) == 3 and image_shape[-1] in (1, 3)
