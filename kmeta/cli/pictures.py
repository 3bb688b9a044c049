"""Single pictures in, arrays for a classifier out."""

from pathlib import Path

import numpy as np

from kmeta.data.pictures import picture


def read(paths, image_shape, invert=False, crop=None):
    """Return float `[n, *image_shape]` in [0, 1] of picture files, resized.

    crop: what is taken of a picture, see `kmeta.edge.pixels.fitted`.

    Raises FileNotFoundError and ValueError where one is absent or no picture.
    """
    images = np.stack([picture(Path(path), tuple(image_shape), crop) for path in paths])
    return 1 - images if invert else images


def check_writable(path, overwrite, suffix=None):
    """Raise unless a file may be written at `path`."""
    path = Path(path)
    if suffix is not None and path.suffix.lower() != suffix:
        raise ValueError(f"The file to write must end in {suffix}. Received: {path}")
    if path.is_dir():
        raise ValueError(f"Expected a file to write, not a folder. Received: {path}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass --overwrite to replace it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"No such folder: {path.parent}")
