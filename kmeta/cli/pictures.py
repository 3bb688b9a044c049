"""Single pictures in, arrays for a classifier out."""

from pathlib import Path

import numpy as np

from kmeta.data.files import looks_like_a_picture
from kmeta.data.pictures import picture


def read(paths, image_shape, invert=False, crop=None):
    """Return float `[n, *image_shape]` in [0, 1] of picture files, resized.

    crop: what is taken of a picture, see `kmeta.edge.pixels.fitted`.

    Raises FileNotFoundError and ValueError where one is absent or no picture.
    """
    images = np.stack([picture(Path(path), tuple(image_shape), crop) for path in paths])
    return 1 - images if invert else images


def check(paths):
    """Raise unless all are files that begin as pictures do, before anything else is loaded."""
    for path in map(Path, paths):
        if not path.is_file():
            raise FileNotFoundError(f"No such picture: {path}")
        with open(path, "rb") as file:
            if not looks_like_a_picture(file.read(16)):
                raise ValueError(f"Cannot read the image {path}: it is no picture")


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
