"""Label sets hold the true class as often as they say."""

import numpy as np
import pytest

from kmeta.edge.scoring import softmax
from kmeta.evaluation.conformal import least_probability


def made(items, seed):
    """Probabilities that say something of labels, and too surely; and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(5, size=items)
    return softmax(3 * (rng.normal(size=(items, 5)) + 1.5 * np.eye(5)[labels])), labels


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_coverage_of_new_items(coverage):
    held = []
    for seed in range(200):
        least = least_probability(*made(40, seed), coverage)
        probabilities, labels = made(500, 1000 + seed)
        held.append((probabilities[np.arange(500), labels] >= least).mean())
    expected = 1 - np.floor(41 * (1 - coverage) + 1e-9) / 41  # exactly, for continuous scores
    assert abs(np.mean(held) - expected) < 0.012
    assert expected >= coverage


def test_too_few_items_and_wrong_shares():
    with pytest.raises(ValueError, match="A coverage of 0.99 needs 99 left-out pictures. Received"):
        least_probability(*made(40, 0), 0.99)
    for coverage in (0, 1, "much", float("nan")):
        with pytest.raises(ValueError, match="Argument `coverage` must be between 0 and 1"):
            least_probability(*made(40, 0), coverage)
    least_probability(*made(99, 0), 0.99)
