"""A reliability diagram: whether a learner is as often right as it is sure."""

import os
from pathlib import Path

from numpy.typing import ArrayLike

from kmeta.evaluation.calibration import reliability
from kmeta.plots.paper import COLOURS, FAINT, INK, figure


def draw_reliability(
    probabilities: ArrayLike,
    labels: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    bins: int = 15,
) -> Path | bytes:
    """Draw a reliability diagram (Guo et al. 2017, figure 1) as a PNG.

    Bars are the accuracy of predictions of about equal confidence; where they end at the diagonal,
    confidence can be trusted. Below, how many predictions there are.

    Args:
        probabilities: `[n, way]`, rows that sum to 1.
        labels: int `[n]`, the true classes.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        bins: of equal width.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> draw_reliability([[0.9, 0.1], [0.6, 0.4]], np.array([0, 1]), "reliability.png")
    PosixPath('reliability.png')
    """
    found = reliability(probabilities, labels, bins)
    middles, width = (found.edges[1:] + found.edges[:-1]) / 2, 0.94 / bins
    with figure((3.6, 4.2), path) as (sheet, done):
        upper, lower = sheet.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.bar(middles, found.accuracy, width, color=COLOURS[0], label="accuracy")
        upper.plot(found.confidence, found.confidence, "_", color=INK, ms=9, label="confidence")
        upper.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
        upper.set(ylim=(0, 1.02), ylabel="accuracy", title=f"ECE {100 * found.error:.1f} %")
        sheet.legend(loc="outside upper right", ncols=2)
        lower.bar(middles, found.count, width, color=FAINT)
        lower.set(xlim=(0, 1), xlabel="confidence", ylabel="predictions")
        return done()
