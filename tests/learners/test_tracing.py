"""A step is traced once: tracing, of gradients of gradients above all, is what a start costs."""

import keras
import numpy as np
import pytest

import kmeta
from kmeta import Episode, Support


class Counted(kmeta.PrototypicalNetwork):
    traced = 0

    def call(self, episode, training=None):
        Counted.traced += 1
        return super().call(episode, training)


@pytest.fixture
def learner():
    made = Counted(keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)]))
    made.build((6, 6, 1))
    made.compile()
    Counted.traced = 0
    return made


@pytest.fixture
def data():
    """Four tasks of two classes."""
    x = np.random.default_rng(0).random((4, 2, 6, 6, 1), dtype="float32")
    y = np.tile(np.eye(2, dtype="float32"), (4, 1, 1))
    return Episode(Support(x, y), x), np.tile(np.arange(2), (4, 1))


def test_fit_traces_a_step_once(learner, data):
    learner.fit(*data, batch_size=2, epochs=2, verbose=0)
    assert Counted.traced == 1


def test_evaluate_traces_a_step_once(learner, data):
    learner.evaluate(*data, batch_size=2, verbose=0)
    assert Counted.traced == 1
