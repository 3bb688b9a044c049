"""Numbers by which a classifier is trusted, against loops, grids and worked examples."""

import warnings

import numpy as np
import pytest

from kmeta import trust


def test_wilson_interval():
    low, high = trust.wilson_interval(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert trust.wilson_interval(0, 5)[0] == 0
    assert trust.wilson_interval(5, 5)[1] == 1
    assert trust.wilson_interval(5, 5)[0] == pytest.approx(1 / (1 + 1.96**2 / 5))


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
def test_temperature_of_answers_drawn_with_it(true):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 5)) * 3
    labels = [rng.choice(5, p=p) for p in trust.softmax(logits / true)]
    assert trust.fit_temperature(logits, labels) == pytest.approx(true, rel=0.05)
    assert trust.fit_temperature(logits + 7, labels) == pytest.approx(true, rel=0.05)


def test_temperature_of_few_right_answers():
    """By a grid: finite, as one more of each kind is assumed (Platt 1999)."""
    rng = np.random.default_rng(1)
    labels = np.arange(12) % 3
    logits = 4 * np.eye(3)[labels] + rng.normal(size=(12, 3))
    assert (logits.argmax(-1) == labels).all()
    grid = np.exp(np.linspace(-3, 3, 3001))
    losses = []
    for temperature in grid:
        log_p = np.log(trust.softmax(logits / temperature))
        right = log_p[np.arange(12), labels]
        losses.append(-(13 / 14 * right + 1 / 14 / 2 * (log_p.sum(-1) - right)).sum())
    best = grid[np.argmin(losses)]
    assert trust.fit_temperature(logits, labels) == pytest.approx(best, rel=0.005)


def test_familiarity_is_the_share_of_known_ones():
    """Of two normal distributions of spread 1, at -1 and 2, the log odds are 3 x - 1.5."""
    rng = np.random.default_rng(9)
    known, unknown = rng.normal(2, 1, 40000), rng.normal(-1, 1, 9000)
    slope, offset = trust.fit_familiarity(known, unknown)
    assert slope == pytest.approx(3, rel=0.05)
    assert offset == pytest.approx(-1.5, rel=0.08)
    slope, offset = trust.fit_familiarity([5.0, 6.0], [1.0, 2.0])  # apart: finite all the same
    assert 0 < slope < 10 and 1 / (1 + np.exp(-slope * 5 - offset)) > 0.6


def test_auroc_counts_pairs():
    rng = np.random.default_rng(2)
    known, unknown = rng.integers(2, 9, 40) / 10, rng.integers(0, 7, 30) / 10
    wins = [(k > u) + 0.5 * (k == u) for k in known for u in unknown]
    assert trust.auroc(known, unknown) == pytest.approx(np.mean(wins))
    assert trust.auroc([1, 2], [0, 0]) == 1


def test_scores_of_images_far_from_all_classes():
    with warnings.catch_warnings(action="error"):
        found = trust.scores(np.array([[-3000.0, -3100.0]]), 1.0, (0.5, 20.0))
    assert found == pytest.approx([0.0], abs=1e-12)


def test_threshold_keeps_a_share():
    scores = np.random.default_rng(3).random(1000)
    threshold = trust.threshold_that_keeps(scores, 0.95)
    assert np.mean(scores >= threshold) == pytest.approx(0.95)
    assert np.mean(scores > threshold) < 0.95
    assert trust.threshold_that_keeps([0.4, 0.2, 0.9], 0.999) == 0.2


def test_leave_one_out_names_what_is_confused():
    answers = np.array([0, 1, 1, 1, 2, 0])
    labels = np.array([0, 0, 0, 1, 2, 2])
    found = trust.LeaveOneOut.of(np.eye(3)[answers], labels, np.arange(6), ["a", "b", "c"])
    assert found.accuracy == 0.5
    assert found.confused() == [("a", "b", 2)]
    assert found.confused(least=1) == [("a", "b", 2), ("c", "a", 1)]
    assert "50.0 % (95 % interval 18.8 to 81.2, 6 pictures)" in str(found)


def test_calibration_is_measured_on_the_other_half():
    from kmeta.held_out import Answers

    rng = np.random.default_rng(4)

    def answers(unknown):
        logits = rng.normal(size=(4000, 4)) * 3
        labels = np.array([rng.choice(4, p=p) for p in trust.softmax(logits / 2)])
        return Answers(logits, labels, unknown * rng.normal(size=(3000, 4)))

    fits, tests = answers(0.1), answers(1.0)
    found = trust.calibration(fits, tests, before=1.0, keep=0.9)
    assert found.temperature == pytest.approx(2, rel=0.1)
    assert found.ece_after < 0.03 < found.ece_before
    slope, offset = trust.fit_familiarity(fits.logits.max(-1), fits.unknown.max(-1))
    assert found.familiarity == (slope, offset)
    known, unknown = (
        trust.softmax(x / found.temperature).max(-1) / (1 + np.exp(-slope * x.max(-1) - offset))
        for x in (tests.logits, tests.unknown)
    )
    assert found.auroc == pytest.approx(trust.auroc(known, unknown))
    assert found.kept == np.mean(known >= found.threshold) == pytest.approx(0.9, abs=0.02)
    assert found.refused == np.mean(unknown < found.threshold)
    assert found.fpr == np.mean(unknown >= np.quantile(known, 0.05, method="higher"))
    assert f"Temperature {found.temperature:.3g}: calibration error" in str(found)
