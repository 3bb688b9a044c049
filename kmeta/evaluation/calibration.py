"""Whether probabilities mean what they say (Guo et al. 2017, section 2). Plain NumPy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_WIDEST = 6.0  # of log temperature, to either side


class Reliability(NamedTuple):
    """Predictions in bins of equal width by their confidence, the largest probability.

    edges: `[bins + 1]`, from 0 to 1; bin m has confidences above `edges[m]`, up to `edges[m + 1]`.
    count: int `[bins]`, predictions in a bin.
    confidence: `[bins]`, their mean confidence; NaN where there are none.
    accuracy: `[bins]`, the share of them that is right; NaN where there are none.

    >>> found = reliability([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], np.array([0, 1, 1]), bins=2)
    >>> found.count, found.accuracy.round(2), found.confidence.round(2)
    (array([0, 3]), array([ nan, 0.67]), array([ nan, 0.77]))
    >>> round(found.error, 2)
    0.1
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: `sum_m |B_m| / n * |acc(B_m) - conf(B_m)|` (equation 3)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(self.count * gaps) / self.count.sum())


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, bins: int = 15
) -> float:
    """How far confidence and accuracy are apart on average (Guo et al. 2017, equation 3).

    Args:
        probabilities: `[n, way]`, rows that sum to 1.
        labels: int `[n]`, the true classes, in 0..way-1.
        bins: of equal width, among which the predictions are divided by their confidence.

    Returns:
        A float between 0 and 1. 0 is perfect.

    Raises:
        ValueError: if an argument is not of this form.

    >>> round(expected_calibration_error([[0.9, 0.1], [0.6, 0.4]], np.array([0, 1])), 2)
    0.35
    """
    return reliability(probabilities, labels, bins).error


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> Reliability:
    """Confidence and accuracy bin by bin: the numbers of a reliability diagram.

    Args, Raises: see `expected_calibration_error`.

    Returns:
        A `Reliability`.

    >>> reliability([[0.9, 0.1], [0.6, 0.4]], np.array([0, 1]), bins=5).count
    array([0, 0, 1, 0, 1])
    """
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    _check(probabilities, labels, bins)
    confidence = probabilities.max(axis=-1)
    right = probabilities.argmax(axis=-1) == labels
    edges = np.arange(bins + 1) / bins
    where = np.clip(np.searchsorted(edges, confidence), 1, bins) - 1
    count = np.bincount(where, minlength=bins)
    means = [
        np.divide(np.bincount(where, x, bins), count, np.full(bins, np.nan), where=count > 0)
        for x in (confidence, right)
    ]
    return Reliability(edges, count, *means)


def fit_temperature(logits, labels):
    """The temperature under which the true classes are likeliest (Guo et al. 2017, section 4.2).

    `argmin_T sum_i -log softmax(logits_i / T)[y_i]`. Each true class gets `(n + 1) / (n + 2)` of
    the target and the others the rest, as Platt (1999) has it: without, few predictions that are
    all right would have the temperature 0.

    Args:
        logits: `[n, way]`.
        labels: int `[n]`, the true classes.
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    n, way = logits.shape
    target = np.full((n, way), 1 / (n + 2) / (way - 1))
    target[np.arange(n), labels] = (n + 1) / (n + 2)
    logits = logits - logits.max(axis=-1, keepdims=True)

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        return -(target * scaled).sum(-1).mean() + np.log(np.exp(scaled).sum(-1)).mean()

    low, high = -_WIDEST, _WIDEST  # the loss is convex in 1 / T, so it has one minimum
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def _check(probabilities, labels, bins):
    if probabilities.ndim != 2 or 0 in probabilities.shape:
        raise ValueError(
            "Argument `probabilities` must be [n, way], with nothing empty. "
            f"Received: shape {probabilities.shape}"
        )
    sums = probabilities.sum(axis=-1)
    if not (probabilities.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise ValueError(
            "Argument `probabilities` must have rows of numbers of at least 0 that sum to 1. "
            f"Received: numbers from {probabilities.min()}, sums from {sums.min()} to {sums.max()}"
        )
    way = probabilities.shape[-1]
    if labels.dtype.kind not in "iu" or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"Argument `labels` must be {len(probabilities)} integers, one for each row of "
            f"`probabilities`. Received: {labels.dtype} of shape {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= way:
        raise ValueError(
            f"Argument `labels` must lie in 0..{way - 1}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"Argument `bins` must be a positive integer. Received: bins={bins!r}")
