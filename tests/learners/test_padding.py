"""Rows of padding never count, in statistics of batch normalisation neither."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers

import kmeta
from kmeta import Episode, Support

WAY = 3
PLACES = [1, 1, 4, 9]  # before which rows padding is put
WHOLE = {"inner_batch": None, "test_inner_batch": None}
LEARNERS = [
    *((kmeta.MAML, {"bn_mode": m}) for m in ("support", "support+1", "batch", "running")),
    *((kmeta.LSTMMetaLearner, {"bn_mode": m}) for m in ("support", "support+1", "running")),
    *(
        (kmeta.Reptile, {"bn_mode": m, **WHOLE, "test_inner_steps": 3})
        for m in ("support", "support+1")
    ),
]


def made(kind, **options):
    keras.utils.set_random_seed(4)
    network = keras.Sequential(
        [
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.5),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(WAY),
        ]
    )
    learner = kind(network, inner_steps=2, **options)
    learner.build((4, 4, 1))
    learner.compile(keras.optimizers.SGD(0.1), run_eagerly=True)  # tracing would take longer
    return learner


def episode():
    rng = np.random.default_rng(0)
    y = np.tile(np.eye(WAY, dtype="float32"), (2, 3, 1))
    x, query_x = (rng.random((2, n, 4, 4, 1)).astype("float32") for n in (9, 4))
    return Episode(Support(x, y), query_x), rng.integers(0, WAY, (2, 4))


def padded(support, value):
    x, y = support
    return Support(np.insert(x, PLACES, value, axis=1), np.insert(y, PLACES, 0.0, axis=1))


@pytest.mark.parametrize(("kind", "options"), LEARNERS)
def test_padding_changes_neither_answers_nor_training(kind, options):
    tasks, query_y = episode()
    plain, other = made(kind, **options), made(kind, **options)
    both = Episode(padded(tasks.support, 7.0), tasks.query_x)
    np.testing.assert_allclose(other(both), plain(tasks), atol=1e-5)
    other.train_on_batch(both, query_y)
    plain.train_on_batch(tasks, query_y)
    for a, b in zip(other.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_mini_batches_hold_no_padding(training):
    learner = made(kmeta.Reptile, inner_batch=5, test_inner_batch=5, test_inner_steps=4)
    tasks, _ = episode()
    found = [
        learner(Episode(padded(tasks.support, value), tasks.query_x), training=training)
        for value in (0.0, 50.0)
    ]
    np.testing.assert_allclose(*found, atol=1e-5)


def test_threads_may_adapt_and_classify_at_the_same_time():
    learner = made(kmeta.MAML)
    (support, query_x), _ = episode()
    labels = support.y[0].argmax(-1)
    expected = np.asarray(learner.adapt(support.x[0], labels)(query_x[0]))

    def answer(_):
        return np.asarray(learner.adapt(support.x[0], labels)(query_x[0]))

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(answer, range(12)):
            np.testing.assert_allclose(found, expected, atol=1e-5)
    assert learner.network.layers[1].momentum == 0.5
