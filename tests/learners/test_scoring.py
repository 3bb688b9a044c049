"""Scores, by worked examples."""

import warnings

import numpy as np
import pytest

from kmeta.edge.scoring import scores


def test_scores_of_images_far_from_all_classes():
    with warnings.catch_warnings(action="error"):
        found = scores(np.array([[-3000.0, -3100.0]]), 1.0, (0.5, 20.0))
    assert found == pytest.approx([0.0], abs=1e-12)
