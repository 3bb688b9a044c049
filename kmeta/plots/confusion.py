"""A picture of which classes are taken for which."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kmeta.plots.paper import INK, PAPER, SHADES, figure, names_of, short

MOST = 60  # classes whose names can be read
COUNTS = 20  # classes up to which counts are written


def draw_confusion(
    matrix: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Path | bytes:
    """Draw a confusion matrix as a PNG: rows are the true classes, columns the predicted ones.

    Shades are shares of a row, numbers are counts, which are left out where there are many classes.

    Args:
        matrix: int `[classes, classes]`, as `kmeta.evaluation.confusion` counts it.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        class_names: of the rows; None writes their numbers. The end of a long name is written.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form, or there are more than 60 classes.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> draw_confusion([[9, 1], [0, 10]], "confusion.png", ["cat", "dog"])
    PosixPath('confusion.png')
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not 1 <= len(matrix) <= MOST:
        raise ValueError(
            f"Argument `matrix` must be [classes, classes], of at most {MOST} classes. "
            f"Received: shape {matrix.shape}"
        )
    classes = len(matrix)
    names = [short(name) for name in names_of(class_names, classes)]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = max(2.2, (0.38 if classes <= COUNTS else 0.2) * classes)
    room = 0.08 * max(map(len, names)) + 0.5
    with figure((side + room, side + room), path) as (sheet, done):
        axes = sheet.subplots()
        axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
        axes.set_xticks(range(classes), names, rotation=90 if room > 0.8 else 0)
        axes.set_yticks(range(classes), names)
        axes.set(xlabel="predicted", ylabel="true")
        axes.tick_params(length=0)
        if classes <= COUNTS:
            for row, column in zip(*np.nonzero(matrix), strict=True):
                colour = PAPER if shares[row, column] > 0.5 else INK
                number = str(matrix[row, column])
                axes.text(column, row, number, color=colour, ha="center", va="center", size=8)
        return done()
