import keras
import numpy as np
import oracles
import pytest

import kmeta
from kmeta import Episode, Support

rng = np.random.default_rng(4)
X, QUERY = (
    rng.normal(size=(2, 9, 6)).astype("float32"),
    rng.normal(size=(2, 5, 6)).astype("float32"),
)
LABELS = np.eye(3, dtype="float32")[[[0, 0, 1, 2, 2, 2, 1, 0, 1], [2, 1, 0, 0, 0, 1, 1, 2, 2]]]
EPISODE = Episode(Support(X, LABELS), QUERY)


def embedding():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="tanh")])


def expected(network, metric):
    kernel, bias = (np.asarray(w.value, "float64") for w in network.weights)
    out = []
    for x, y, query in zip(X, LABELS, QUERY, strict=True):
        centres = oracles.prototypes(np.tanh(x @ kernel + bias), y)
        out.append(metric(np.tanh(query @ kernel + bias), centres))
    return np.array(out)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_logits_are_scaled_negative_distances(scale):
    network = embedding()
    logits = kmeta.PrototypicalNetwork(network, scale=scale)(EPISODE)
    distances = expected(network, oracles.squared_euclidean)
    np.testing.assert_allclose(logits, -scale * distances, rtol=1e-4, atol=1e-5)


def test_cosine_logits():
    network = embedding()
    logits = kmeta.PrototypicalNetwork(network, distance="cosine", scale=10.0)(EPISODE)
    np.testing.assert_allclose(logits, 10 * expected(network, oracles.cosine), rtol=1e-4, atol=1e-4)


def test_bn_mode_decides_the_statistics():
    network = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    learner = kmeta.PrototypicalNetwork(network)
    alone = np.concatenate(
        [learner(Episode(Support(X, LABELS), QUERY[:, i : i + 1])) for i in range(5)], axis=1
    )
    np.testing.assert_allclose(learner(EPISODE), alone, atol=1e-5)  # queries do not meet
    learner.bn_mode = "batch"
    images = np.concatenate([X, QUERY], axis=1)
    mean, variance = images.mean((0, 1)), images.var((0, 1))
    whitened = (images - mean) / np.sqrt(variance + 1e-3)
    logits = [
        -oracles.squared_euclidean(z[9:], oracles.prototypes(z[:9], y))
        for z, y in zip(whitened, LABELS, strict=True)
    ]
    np.testing.assert_allclose(learner(EPISODE), logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "manhattan"}, "'squared_euclidean', 'cosine'.. Received: distance='manh"),
        ({"scale": 0.0}, "`scale` must be a positive, finite number. Received: scale=0.0"),
        ({"bn_mode": "support"}, "`bn_mode` must be one of .'running', 'batch'.. Received"),
        ({"embedding": np.tanh}, "must be a Keras layer or model. Received"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        kmeta.PrototypicalNetwork(**{"embedding": embedding(), **options})
