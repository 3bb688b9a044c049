"""Images of classes that a classifier was not taught: scores, thresholds, measures. Plain NumPy."""

import numpy as np
from numpy.typing import ArrayLike


def fit_familiarity(known, unknown):
    """Slope and offset of `sigmoid(slope * x + offset)`, how likely it is that x is of a known one.

    Logistic regression with Platt's targets (1999), the known and the unknown together of equal
    weight. Args: largest logits of known and unknown images, `[m]` and `[n]`.
    """
    x = np.concatenate([known, unknown]).astype("float64")
    sides = [
        (len(known), (len(known) + 1) / (len(known) + 2)),
        (len(unknown), 1 / (len(unknown) + 2)),
    ]
    target = np.concatenate([np.full(n, t) for n, t in sides])
    weight = np.concatenate([np.full(n, 1 / n) for n, _ in sides])
    mean, spread = x.mean(), x.std() or 1.0
    inputs = np.stack([(x - mean) / spread, np.ones(len(x))], axis=-1)
    solution = np.zeros(2)
    for _ in range(100):  # Newton's method; the loss is convex
        p = 1 / (1 + np.exp(-inputs @ solution))
        gradient = inputs.T @ (weight * (p - target))
        hessian = (inputs * (weight * p * (1 - p))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        solution -= step / max(1.0, np.abs(step).max())
    slope, offset = solution
    return float(slope / spread), float(offset - slope * mean / spread)


def auroc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under the ROC curve: how often a known image scores higher than an unknown one.

    `P(known > unknown) + P(known = unknown) / 2` for scores `[m]` and `[n]`; 1 is perfect and 0.5
    is chance.

    >>> auroc(known=[0.9, 0.8, 0.4], unknown=[0.5, 0.1])
    0.8333333333333334
    """
    known, unknown = np.asarray(known), np.sort(unknown)
    below = np.searchsorted(unknown, known, "left") + np.searchsorted(unknown, known, "right")
    return float(below.mean() / 2 / len(unknown))


def threshold_that_keeps(scores, share):
    """The highest threshold with at least a `share` of the scores at or above it."""
    scores = np.sort(scores)
    place = int(np.floor((1 - share) * len(scores) + 1e-9))
    return float(scores[min(place, len(scores) - 1)])
