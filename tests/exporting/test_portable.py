"""The state of a metric learner as tensors that leave and come back."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from specimens import SIZE, SPECIMENS

from kmeta.exporting import portable

STATES = {  # learner: what a row of its state is
    "PrototypicalNetwork": "classes",
    "MatchingNetwork": "items",
    "MatchingNetwork with full context": "items",
    "R2D2": "items",
    "RelationNetwork": "classes",
    "SiameseNetwork": "items",
}
LABELS = np.array([2, 0, 1, 1])


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_left_and_came_back_answers_the_same(name):
    keras.utils.set_random_seed(0)
    learner = SPECIMENS[name].make()
    images = np.random.default_rng(1).random((7, SIZE, SIZE, 1)).astype("float32")
    classifier = learner.adapt(images[:4], LABELS)
    tensors = portable.from_state(learner, classifier.state)
    assert portable.rows(tensors) == STATES[name]
    assert {key: x.dtype for key, x in tensors.items()} == {
        key: portable.dtype(key) for key in tensors
    }
    assert {len(x) for x in tensors.values()} == {{"classes": 3, "items": 4}[STATES[name]]}
    if STATES[name] == "items":
        np.testing.assert_array_equal(tensors["labels"], LABELS)
    state = portable.to_state(learner, {key: np.array(x) for key, x in tensors.items()})
    found = learner.classify(state, images[None, 4:])
    np.testing.assert_allclose(found, learner.classify(classifier.state, images[None, 4:]))


def test_labels_are_one_hot_by_comparison():
    np.testing.assert_array_equal(portable.one_hot(tf.constant([1, 0, 2])), np.eye(3)[[1, 0, 2]])
    np.testing.assert_array_equal(portable.one_hot(tf.constant([1, 0]), 4), np.eye(4)[[1, 0]])
    found = portable.one_hot(tf.constant([-1, 0, 1]))  # of no class, not of the last
    np.testing.assert_array_equal(found, [[0, 0], [1, 0], [0, 1]])


def test_a_support_set_has_one_task():
    images = np.zeros((3, 2, 2, 1), "float32")
    support = portable.support_set(images, tf.constant([1, 0, 1]))
    assert support.x.shape == (1, 3, 2, 2, 1)
    np.testing.assert_array_equal(support.y, np.eye(2)[[[1, 0, 1]]])
    assert portable.support_set(images, tf.constant([1, 0, 1]), 5).y.shape == (1, 3, 5)
