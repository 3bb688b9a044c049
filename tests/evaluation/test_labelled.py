"""Scores on labelled pictures, counted by hand."""

import numpy as np
import pytest

from kmeta.evaluation import LabelledScore, wilson_interval


def test_counts_by_hand():
    found = LabelledScore.of(
        ["a", "a", "a", "b", "x", "y"],
        ["a", "b", "unknown", "b", "a", "unknown"],
        [0.9, 0.8, 0.2, 0.7, 0.6, 0.1],
        list("123456"),
        ["a", "b"],
    )
    assert found.accuracy == 0.5
    assert found.interval == wilson_interval(2, 4)
    np.testing.assert_array_equal(found.confusion, [[1, 1, 1], [0, 1, 0]])
    assert found.errors == [("2", "a", "b", 0.8), ("3", "a", "unknown", 0.2)]
    assert (found.unknown, found.refused) == (2, 0.5)
    assert found.auroc == np.mean([[1, 1], [1, 1], [0, 1], [1, 1]])
    text = str(found)
    assert "Accuracy on 4 labelled pictures that were not learned from: 50.0 %" in text
    assert "  a: 1 of 3 (33 %)" in text and "  2: a taken for b (0.80)" in text
    assert "Of 2 pictures of other classes 50.0 % are refused" in text


def test_without_pictures_of_other_classes():
    found = LabelledScore.of(["a"], ["a"], [0.9], ["1"], ["a", "b"])
    assert (found.unknown, found.refused, found.auroc) == (0, None, None)
    assert "other classes" not in str(found)


def test_pictures_of_no_class():
    with pytest.raises(ValueError, match="must be of the classes"):
        LabelledScore.of(["c"], ["a"], [0.9], ["1"], ["a", "b"])
