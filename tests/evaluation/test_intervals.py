"""Intervals, by worked examples."""

import pytest

from kmeta.evaluation.intervals import wilson_interval


def test_wilson_interval():
    low, high = wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson_interval(0, 5)[0] == 0
    assert wilson_interval(5, 5)[1] == 1
    assert wilson_interval(5, 5)[0] == pytest.approx(1 / (1 + 1.96**2 / 5))
