"""Sets of labels that hold the true one as often as they say (Sadinle et al. 2019). Plain NumPy."""

import math

import numpy as np
from numpy.typing import ArrayLike

from kmeta.checks import is_finite


def least_probability(probabilities: ArrayLike, labels: ArrayLike, coverage: float) -> float:
    """The probability from which on a class is to be named, so that the true one mostly is.

    With the probabilities p of the true classes of n items, it is the k-th smallest of them, `k =
    floor((n + 1) (1 - coverage))`: the true class of a further item like these has at least as much
    in a share of `coverage` of all cases or more (Sadinle et al. 2019, "Least ambiguous set-valued
    classifiers", section 3).

    Args:
        probabilities: `[n, way]` of items that the classifier did not learn from.
        labels: int `[n]`, their classes.
        coverage: between 0 and 1.

    Raises:
        ValueError: if `coverage` is out of range, or n too small for it.

    >>> probabilities = [[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]
    >>> least_probability(probabilities, [0, 0, 1, 1], coverage=0.6)
    0.7
    """
    if not is_finite(coverage) or not 0 < coverage < 1:
        raise ValueError(
            f"Argument `coverage` must be between 0 and 1. Received: coverage={coverage!r}"
        )
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    true = np.sort(probabilities[np.arange(len(labels)), labels])
    place = math.floor((len(true) + 1) * (1 - coverage) + 1e-9)
    if place < 1:
        needed = math.ceil(1 / (1 - coverage) - 1e-9) - 1
        raise ValueError(
            f"A coverage of {coverage:g} needs {needed} left-out pictures. Received: {len(true)}"
        )
    return float(true[place - 1])
