"""Small copies of the pictures of a folder, which a bundle keeps where that is asked for."""

import io

import numpy as np

from kmeta.checks import true_or_false
from kmeta.edge.thumbnails import LARGEST, MOST, SIDE, Thumbnails

_SIDES = (SIDE, 64, 32)  # the next where a copy takes more than LARGEST bytes


class Copies:
    """Copies of pictures that come one by one: of all, or of some that are evenly spread.

    Args:
        count: how many pictures will come at most.

    >>> from PIL import Image
    >>> copies = Copies(2)
    >>> copies.add(Image.new("L", (300, 200)))
    >>> copies.rows, len(copies.files)
    ([0], 1)
    """

    def __init__(self, count):
        self._step, self._seen = -(-count // MOST), 0
        self.rows, self.files = [], []

    def add(self, image):
        """Take one more, a plain PIL image."""
        if self._seen % self._step == 0:
            self.rows.append(self._seen)
            self.files.append(small(image))
        self._seen += 1

    def of(self, features, labels):
        """The `kmeta.edge.thumbnails.Thumbnails`, of features `[n, d]` and labels `[n]` of all."""
        rows = np.array(self.rows)
        features, labels = features[rows].astype("float32"), labels[rows].astype("int64")
        return Thumbnails(rows, self.files, features, labels)


def small(image):
    """A WebP file, bytes, of a plain PIL image, in its proportions.

    At most `kmeta.edge.thumbnails.SIDE` pixels wide and high, and `LARGEST` bytes long.
    """
    for side in _SIDES:
        scale = min(1, side / max(image.size))
        size = tuple(max(1, round(scale * x)) for x in image.size)
        file = io.BytesIO()
        image.resize(size, reducing_gap=2.0).convert("RGB").save(file, "WEBP", quality=75)
        if len(file.getvalue()) <= LARGEST:
            break
    return file.getvalue()


def copies_of(albums, count, wanted):
    """`Copies` where they are wanted, else None.

    Args:
        albums: `Album`s by name, one of which will be taken.
        count: how many pictures will come at most.
        wanted: the argument `thumbnails`.

    Raises:
        ValueError: if it is neither True nor False, or an album cannot compare pictures.
    """
    if not true_or_false("thumbnails", wanted):
        return None
    for name, album in albums.items():
        if not album.keeps_features:
            raise ValueError(
                "Thumbnails (--thumbnails) need a backbone that compares one embedding of each "
                f"picture, such as photos. Received: {name}, a {type(album.learner).__name__}"
            )
    return Copies(count)
