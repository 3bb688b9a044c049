"""Scores of unknown images, against loops and worked examples."""

import numpy as np
import pytest

from kmeta.evaluation.open_set import auroc, fit_familiarity, threshold_that_keeps


def test_familiarity_is_the_share_of_known_ones():
    """Of two normal distributions of spread 1, at -1 and 2, the log odds are 3 x - 1.5."""
    rng = np.random.default_rng(9)
    known, unknown = rng.normal(2, 1, 40000), rng.normal(-1, 1, 9000)
    slope, offset = fit_familiarity(known, unknown)
    assert slope == pytest.approx(3, rel=0.05)
    assert offset == pytest.approx(-1.5, rel=0.08)
    slope, offset = fit_familiarity([5.0, 6.0], [1.0, 2.0])  # apart: finite all the same
    assert 0 < slope < 10 and 1 / (1 + np.exp(-slope * 5 - offset)) > 0.6


def test_auroc_counts_pairs():
    rng = np.random.default_rng(2)
    known, unknown = rng.integers(2, 9, 40) / 10, rng.integers(0, 7, 30) / 10
    wins = [(k > u) + 0.5 * (k == u) for k in known for u in unknown]
    assert auroc(known, unknown) == pytest.approx(np.mean(wins))
    assert auroc([1, 2], [0, 0]) == 1


def test_threshold_keeps_a_share():
    scores = np.random.default_rng(3).random(1000)
    threshold = threshold_that_keeps(scores, 0.95)
    assert np.mean(scores >= threshold) == pytest.approx(0.95)
    assert np.mean(scores > threshold) < 0.95
    assert threshold_that_keeps([0.4, 0.2, 0.9], 0.999) == 0.2
