"""Shots of one thing belong together."""

import numpy as np
import pytest

import kmeta
from kmeta.few_shot import duplicates


def test_groups_are_chains_of_near_pictures_of_one_class():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 40)) + 1.0
    labels = np.arange(12) % 2
    x[2] = x[0] + 0.02 * rng.normal(size=40)
    x[6] = x[2] + 0.02 * rng.normal(size=40)  # the third of a chain
    x[3] = x[0]  # of another class
    found = duplicates.groups(x, labels)
    assert [list(group) for group in found if len(group) > 1] == [[0, 2, 6]]
    assert sorted(np.concatenate(found)) == list(range(12))


def test_a_class_that_is_alike_throughout_has_none():
    """What counts is how far apart pictures of a class usually are."""
    rng = np.random.default_rng(1)
    x = 1 + 0.1 * rng.normal(size=(10, 40))
    assert all(len(group) == 1 for group in duplicates.groups(x, np.arange(10) % 2))


@pytest.mark.filterwarnings("ignore:DO NOT RELY")
def test_they_are_left_out_together():
    import keras

    rng = np.random.default_rng(2)
    images = rng.random((6, 8, 8, 1), dtype="float32")
    images[1] = np.clip(images[0] + 0.01 * rng.random((8, 8, 1), dtype="float32"), 0, 1)
    learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
    learner.build((8, 8, 1))
    labels = np.repeat([0, 1], 3)
    found = kmeta.FewShotClassifier(images, labels, learner)
    assert [list(group) for group in found.near_duplicates()] == [[0, 1]]
    estimate = found.leave_one_out()
    assert estimate.together == 2
    rest = learner.adapt(images[2:], labels[2:])
    np.testing.assert_allclose(estimate.logits[:2], rest.logits(images[:2]), atol=1e-3)
