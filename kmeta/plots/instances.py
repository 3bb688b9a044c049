"""A picture of how accuracy grows with the instances of a class."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kmeta.plots.paper import COLOURS, FAINT, figure


def draw_instances(
    instances: Sequence[tuple[float, float]],
    path: str | os.PathLike[str] | None = None,
    chance: float | None = None,
) -> Path | bytes:
    """Draw the accuracy at the first, second, ... instance of a class as a PNG.

    Args:
        instances: `[(accuracy, interval)]`, shares from 0 to 1, as `kmeta.evaluate` returns them of
            sequences.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        chance: accuracy of guessing, drawn as a line.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where `instances` is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> draw_instances([(0.36, 0.02), (0.83, 0.01)], path="instances.png", chance=0.2)
    PosixPath('instances.png')
    """
    points = np.asarray(instances, "float64")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            "Argument `instances` must hold pairs of accuracy and interval. "
            f"Received: shape {points.shape}"
        )
    accuracy, interval = 100 * np.nan_to_num(points.T)
    numbers = np.arange(1, len(points) + 1)
    with figure((3.9, 2.6), path) as (sheet, done):
        axes = sheet.subplots()
        axes.errorbar(numbers, accuracy, interval, fmt=".-", color=COLOURS[0], capsize=2)
        if chance is not None:
            axes.axhline(100 * chance, color=FAINT, lw=1, ls=":", label="chance")
            axes.legend(loc="lower right")
        axes.set(
            xlabel="instance of a class", ylabel="accuracy in %", ylim=(0, 102), xticks=numbers
        )
        return done()
