"""What a classifier tells about itself, against loops."""

import numpy as np
import pytest

from kmeta.edge.scoring import softmax
from kmeta.evaluation.intervals import wilson_interval
from kmeta.evaluation.open_set import auroc, fit_familiarity
from kmeta.few_shot.estimates import LeaveOneOut, calibration


def test_leave_one_out_names_what_is_confused():
    answers = np.array([0, 1, 1, 1, 2, 0])
    labels = np.array([0, 0, 0, 1, 2, 2])
    found = LeaveOneOut.of(np.eye(3)[answers], labels, np.arange(6), ["a", "b", "c"], [3, 1, 2])
    assert found.accuracy == 0.5
    assert found.confused() == [("a", "b", 2)]
    assert found.confused(least=1) == [("a", "b", 2), ("c", "a", 1)]
    low, high = found.interval
    assert low == pytest.approx(wilson_interval(3 / 2.5, 6 / 2.5)[0])
    remaining = (3 * 2 / 3 + 0 + 2 * 1 / 2) / 6
    worth = 6 / 2.5
    assert high == pytest.approx(wilson_interval(worth * (1 - 0.5 * remaining), worth)[1])
    assert f"50.0 %; on new pictures taken like these likely {100 * low:.0f} to" in str(found)


def test_calibration_is_measured_on_the_other_half():
    from kmeta.few_shot.left_out import Answers

    rng = np.random.default_rng(4)

    def answers(unknown):
        logits = rng.normal(size=(4000, 4)) * 3
        labels = np.array([rng.choice(4, p=p) for p in softmax(logits / 2)])
        return Answers(logits, labels, unknown * rng.normal(size=(3000, 4)))

    fits, tests = answers(0.1), answers(1.0)
    found = calibration(fits, tests, before=1.0, keep=0.9)
    assert found.temperature == pytest.approx(2, rel=0.1)
    assert found.ece_after < 0.03 < found.ece_before
    slope, offset = fit_familiarity(fits.logits.max(-1), fits.unknown.max(-1))
    assert found.familiarity == (slope, offset)
    known, unknown = (
        softmax(x / found.temperature).max(-1) / (1 + np.exp(-slope * x.max(-1) - offset))
        for x in (tests.logits, tests.unknown)
    )
    assert found.auroc == pytest.approx(auroc(known, unknown))
    assert found.kept == np.mean(known >= found.threshold) == pytest.approx(0.9, abs=0.02)
    assert found.refused == np.mean(unknown < found.threshold)
    assert found.fpr == np.mean(unknown >= np.quantile(known, 0.05, method="higher"))
    assert f"Temperature {found.temperature:.3g}: calibration error" in str(found)
    assert ("DO NOT RELY ON 'unknown'" in str(found)) == (found.auroc < 0.6)
    blind = calibration(answers(3.0), answers(3.0), before=1.0, keep=0.9)
    assert blind.auroc < 0.6 and "DO NOT RELY ON 'unknown'" in str(blind)


def test_a_temperature_that_is_worse_on_other_pictures_is_not_kept():
    """Twelve that are all told rightly and surely: any smoothing makes them worse."""
    from kmeta.few_shot.left_out import Answers

    labels = np.arange(12) % 3
    logits = 30.0 * np.eye(3)[labels]
    few = Answers(logits, labels, np.zeros((6, 2)))
    found = calibration(few, few, before=1.0, keep=0.9)
    assert found.temperature == 1.0
    assert found.ece_after == found.ece_before < 0.001
    rng = np.random.default_rng(0)
    logits = 3 * rng.normal(size=(900, 3))
    labels = np.array([rng.choice(3, p=p) for p in softmax(logits / 3)])
    too_sure = Answers(logits, labels, few.unknown)
    assert 2 < calibration(too_sure, too_sure, before=1.0, keep=0.9).temperature < 4
