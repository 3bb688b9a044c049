"""Small copies of the pictures that a bundle was made of, to show those most like another one."""

import struct
from typing import NamedTuple

import numpy as np

FILE = "thumbnails.npz"
MOST, SIDE, LARGEST = 1000, 96, 4096  # copies of a bundle; pixels of a side, bytes of a copy


class Thumbnails(NamedTuple):
    """Copies of some, or all, of the pictures.

    rows: int64 `[k]`, which pictures, in the order in which they were learned from; ascending.
    copies: of each a lossy WebP file, bytes.
    features: float32 `[k, d]`, and labels, int64 `[k]`, of each; None where the state of the bundle
        has them, row by row.
    """

    rows: np.ndarray
    copies: list
    features: np.ndarray | None = None
    labels: np.ndarray | None = None

    def arrays(self):
        """What `read` takes, arrays by name."""
        found = {
            "rows": np.asarray(self.rows, "int64"),
            "ends": np.cumsum([len(copy) for copy in self.copies], dtype="int64"),
            "copies": np.frombuffer(b"".join(self.copies), "uint8"),
        }
        if self.features is None:
            return found
        return {**found, "features": self.features, "labels": self.labels}


def read(arrays, state, way, count=None):
    """The `Thumbnails` of arrays by name.

    Args:
        arrays: those of the file.
        state: of the bundle's classes, arrays by name, or None.
        way: number of its classes.
        count: of the pictures that were learned from, None where it is not known.

    Raises:
        ValueError: if they are none of this bundle.
    """
    try:
        rows, ends, copies = (arrays[name] for name in ("rows", "ends", "copies"))
    except KeyError as error:
        raise ValueError(f"no array {error}") from error
    features, labels = arrays.get("features"), arrays.get("labels")
    if state is not None and "labels" in state:
        features, labels, count = None, None, len(state["labels"])
    elif not _is_of_classes(features, labels, len(rows), way):
        raise ValueError("no features of its pictures")
    are_numbers = all(x.dtype == np.int64 and x.ndim == 1 for x in (rows, ends))
    if not (are_numbers and 0 < len(rows) == len(ends) <= MOST and copies.dtype == np.uint8):
        raise ValueError(f"not from 1 to {MOST} copies")
    if (np.diff(rows, prepend=-1) < 1).any() or (count is not None and rows[-1] >= count):
        raise ValueError("copies of pictures that there are not")
    sizes = np.diff(ends, prepend=0)
    if copies.ndim != 1 or ends[-1] != len(copies) or (sizes < 1).any() or (sizes > LARGEST).any():
        raise ValueError(f"copies that are not of 1 to {LARGEST} bytes")
    found = [copies[end - size : end].tobytes() for end, size in zip(ends, sizes, strict=True)]
    if not all(map(_is_small, found)):
        raise ValueError(f"copies that are no WebP files of at most {SIDE} x {SIDE} pixels")
    return Thumbnails(rows, found, features, labels)


def _is_of_classes(features, labels, count, way):
    return (
        features is not None
        and labels is not None
        and (features.dtype, features.ndim, len(features)) == (np.float32, 2, count)
        and (labels.dtype, labels.shape) == (np.int64, (count,))
        and bool(np.isfinite(features).all())
        and bool(((labels >= 0) & (labels < way)).all())
    )


def _is_small(data):
    """Whether bytes begin as a lossy WebP file of few pixels (RFC 6386, section 9.1; RFC 9649)."""
    marks = data[:4], data[8:16], data[23:26]
    if len(data) < 30 or marks != (b"RIFF", b"WEBPVP8 ", b"\x9d\x01*"):
        return False
    return all(1 <= side & 0x3FFF <= SIDE for side in struct.unpack("<HH", data[26:30]))
