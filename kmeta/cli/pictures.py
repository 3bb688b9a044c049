"""Single pictures in, arrays for a classifier out."""

from pathlib import Path

import numpy as np

from kmeta.data.files import decode
from kmeta.data.pixels import plain, to_array


def read(paths, image_shape, invert=False):
    """Return uint8 `[n, *image_shape]` of picture files, resized.

    Raises FileNotFoundError and ValueError where one is absent or no picture.
    """
    height, width, channels = image_shape
    arrays = []
    for path in paths:
        if not Path(path).is_file():
            raise FileNotFoundError(f"No such picture: {path}")
        image = plain(decode(Path(path).read_bytes(), str(path)))
        arrays.append(to_array(image, (height, width), channels))
    images = np.stack(arrays)
    return 255 - images if invert else images


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
