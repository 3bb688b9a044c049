import numpy as np
import pytest

from kmeta.edge.scoring import softmax
from kmeta.evaluation.calibration import expected_calibration_error, fit_temperature, reliability

# Five predictions of three classes; confidences 0.5, 0.7, 0.8, 0.9, 1; right, wrong, right x 3.
PROBABILITIES = [[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.05, 0.9, 0.05], [0, 0, 1]]
LABELS = [0, 2, 0, 1, 2]


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_temperature_of_answers_drawn_with_it(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 5)) * 3
    labels = [rng.choice(5, p=p) for p in softmax(logits / true)]
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.05)
    assert fit_temperature(logits + 7, labels) == pytest.approx(true, rel=0.05)


def test_temperature_of_few_right_answers():
    """By a grid: finite, as one more of each kind is assumed (Platt 1999)."""
    rng = np.random.default_rng(1)
    labels = np.arange(12) % 3
    logits = 4 * np.eye(3)[labels] + rng.normal(size=(12, 3))
    assert (logits.argmax(-1) == labels).all()
    grid = np.exp(np.linspace(-3, 3, 3001))
    losses = []
    for temperature in grid:
        log_p = np.log(softmax(logits / temperature))
        right = log_p[np.arange(12), labels]
        losses.append(-(13 / 14 * right + 1 / 14 / 2 * (log_p.sum(-1) - right)).sum())
    best = grid[np.argmin(losses)]
    assert fit_temperature(logits, labels) == pytest.approx(best, rel=0.005)


def test_worked_by_hand():
    """In two bins, 0.5 is in the first: |1 - 0.5| / 5 + 4 / 5 * |3 / 4 - 3.4 / 4|."""
    assert expected_calibration_error(PROBABILITIES, LABELS, bins=2) == pytest.approx(0.18)
    found = reliability(PROBABILITIES, LABELS, bins=2)
    assert found.edges.tolist() == [0, 0.5, 1]
    assert found.count.tolist() == [1, 4]
    np.testing.assert_allclose(found.confidence, [0.5, 0.85])
    np.testing.assert_allclose(found.accuracy, [1.0, 0.75])


def test_bins_matter_and_empty_ones_do_not():
    """In ten bins each is alone: (0.5 + 0.7 + 0.2 + 0.1 + 0) / 5."""
    assert expected_calibration_error(PROBABILITIES, LABELS, bins=10) == pytest.approx(0.3)
    found = reliability(PROBABILITIES, LABELS, bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 1, 0, 1, 1, 1, 1]
    assert np.isnan(found.accuracy).tolist() == (found.count == 0).tolist()
    default = reliability(PROBABILITIES, LABELS)
    assert default.error == expected_calibration_error(PROBABILITIES, LABELS)
    assert len(default.count) == 15


def test_perfect_and_worst():
    sure = np.eye(3)[[0, 1, 2, 0]]
    assert expected_calibration_error(sure, [0, 1, 2, 0]) == 0.0
    assert expected_calibration_error(sure, [1, 2, 0, 1]) == 1.0


def test_draws_from_the_probabilities_themselves_are_calibrated():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([0.5] * 4, size=20000)
    labels = (rng.random((20000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=3)
    assert expected_calibration_error(probabilities, labels) < 0.015
    sharper = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharper, labels) > 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.5], [0]), r"`probabilities` must be \[n, way\].* Received: shape \(2,\)"),
        (([[2.0, -1.0]], [0]), r"at least 0 that sum to 1. Received: numbers from -1.0, sums"),
        (([[0.9, 0.9]], [0]), r"sums from 1.8 to 1.8"),
        (([[0.5, np.nan]], [0]), r"Received: numbers from nan"),
        ((PROBABILITIES, [0, 1]), r"`labels` must be 5 integers.* Received: int64 of shape \(2,\)"),
        ((PROBABILITIES, [0.0] * 5), r"Received: float64 of shape \(5,\)"),
        ((PROBABILITIES, [0, 1, 2, 3, 0]), r"must lie in 0..2. Received: labels from 0 to 3"),
        ((PROBABILITIES, LABELS, 0), r"`bins` must be a positive integer. Received: bins=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(*arguments)
