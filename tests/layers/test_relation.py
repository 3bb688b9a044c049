"""The two networks of Relation Networks, layer by layer in NumPy."""

import keras
import numpy as np
import oracles
import pytest
from keras import ops

from kmeta.layers import RelationEmbedding, RelationModule

rng = np.random.default_rng(4)


def built(layer, shape):
    """With no weight at its initial value."""
    layer.build((None, *shape))
    for weight in layer.weights:
        positive = "variance" in weight.path or "gamma" in weight.path
        weight.assign(rng.uniform(0.5 if positive else -0.5, 1.5, weight.shape))
    return layer


def through(layer, x, plan, training=False):
    """Maps after the blocks of `plan`, each `(padding, whether it pools)`, and the other layers."""
    parts = [part for part in layer.layers if part.weights]
    for i, (padding, pool) in enumerate(plan):
        convolution, norm = parts[2 * i : 2 * i + 2]
        kernel, bias, gamma, beta, mean, variance = (
            ops.convert_to_numpy(w) for part in (convolution, norm) for w in part.weights
        )
        x = oracles.convolve_same(x, kernel, bias, 1)
        x = x if padding == "same" else x[:, 1:-1, 1:-1]
        if training:
            x, _, _ = oracles.batch_norm(x, gamma, beta, norm.epsilon)
        else:
            x = gamma * (x - mean) / np.sqrt(variance + norm.epsilon) + beta
        x = np.maximum(x, 0)
        x = oracles.max_pool(x) if pool else x
    return x, parts[2 * len(plan) :]


@pytest.mark.parametrize("training", [False, True])
def test_the_embedding_pools_twice_and_then_keeps_the_size(training):
    x = rng.random((3, 14, 14, 2)).astype("float32")
    layer = built(RelationEmbedding(3), (14, 14, 2))
    plan = [("valid", True)] * 2 + [("same", False)] * 2
    expected, _ = through(layer, x, plan, training)
    found = layer(x, training=training)
    assert found.shape == (3, 2, 2, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("padding", "size"), [("same", 5), ("valid", 10)])
def test_the_module_ends_in_eight_units_and_one(padding, size):
    x = rng.random((3, size, size, 4)).astype("float32")
    layer = built(RelationModule(2, hidden=5, padding=padding), (size, size, 4))
    maps, (hidden, last) = through(layer, x, [(padding, True)] * 2)
    a, b, c, d = (ops.convert_to_numpy(w) for part in (hidden, last) for w in part.weights)
    assert b.shape == (5,) and RelationModule().hidden == 8
    expected = np.maximum(maps.reshape(3, -1) @ a + b, 0) @ c + d
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("padding", "size"), [("same", 5), ("valid", 10)])
def test_maps_of_which_all_pairs_are_joined_score_as_the_pairs(padding, size, training):
    classes = rng.random((2, 3, size, size, 3)).astype("float32")
    queries = rng.random((2, 4, size, size, 3)).astype("float32")
    joined = np.array(
        [np.concatenate([classes[t, c], queries[t, q]], axis=-1) for t, q, c in np.ndindex(2, 4, 3)]
    )
    layer = built(RelationModule(2, hidden=5, padding=padding), (size, size, 6))
    expected = layer(joined, training=training)
    found = layer((classes, queries), training=training)
    np.testing.assert_allclose(found, ops.reshape(expected, (2, 4, 3, 1)), rtol=1e-4, atol=1e-5)


def test_weights_start_as_those_of_the_authors():
    keras.utils.set_random_seed(0)
    layer = RelationModule(64, hidden=400)
    layer.build((None, 8, 8, 32))
    parts = [part for part in layer.layers if part.weights]
    for convolution in (parts[0], parts[2]):  # N(0, 2 / (k^2 * filters))
        spread = np.std(ops.convert_to_numpy(convolution.kernel))
        assert spread == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.03)
    for dense in parts[4:]:
        assert np.std(ops.convert_to_numpy(dense.kernel)) == pytest.approx(0.01, rel=0.1)
        np.testing.assert_array_equal(dense.bias, 1.0)


@pytest.mark.parametrize(
    "layer", [RelationEmbedding(3), RelationModule(2, hidden=5, padding="valid")]
)
def test_configuration_keeps_every_option(layer):
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config() and copy.filters == layer.filters
