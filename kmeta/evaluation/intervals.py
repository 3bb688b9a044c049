"""Confidence intervals. Plain NumPy."""

import numpy as np


def wilson_interval(hits: float, count: float) -> tuple[float, float]:
    """The 95 % interval of a share, `(low, high)` (Wilson 1927), right also near 0 and 1.

    hits, count: how many of how many.

    >>> [round(bound, 3) for bound in wilson_interval(48, 50)]
    [0.865, 0.989]
    """
    z = 1.96
    share, square = hits / count, z * z / count
    centre = (share + square / 2) / (1 + square)
    half = z * np.sqrt(share * (1 - share) / count + square / count / 4) / (1 + square)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
