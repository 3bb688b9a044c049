"""The equations of Meta Networks, against plain NumPy."""

import metanet_oracle
import numpy as np
import oracles
import pytest
from keras import ops, tree

from kmeta.ops import differentiation
from kmeta.ops import fast_weights as fw
from kmeta.ops.coordinates import generated, lstm_step


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(5, 4, 1), (1, 1, 3), (2, 7, 2)])
def test_each_item_has_its_own_kernel(rng, shape):
    x, kernels = rng.normal(size=(3, *shape)), rng.normal(size=(3, 3, 3, shape[-1], 2))
    found = fw.convolution(x, kernels)
    for i in range(3):
        np.testing.assert_allclose(found[i], metanet_oracle.convolve(x[i], kernels[i]), rtol=1e-9)
    shared = fw.convolution(ops.convert_to_tensor(x), kernels[0])
    for i in range(3):
        expected = metanet_oracle.convolve(x[i], kernels[0])
        np.testing.assert_allclose(shared[i], expected, rtol=1e-9)


def test_each_item_has_its_own_dense_kernel(rng):
    x, kernels = rng.normal(size=(3, 4)), rng.normal(size=(3, 4, 2))
    expected = np.stack([a @ kernel for a, kernel in zip(x, kernels, strict=True)])
    np.testing.assert_allclose(fw.dense(x, kernels), expected)
    np.testing.assert_allclose(fw.dense(x, kernels[0]), x @ kernels[0])


def test_layer_augmentation_has_two_nonlinearities():
    x, slow, fast = np.array([[1.0]]), np.array([[2.0, -2.0, 3.0]]), np.array([[-5.0, 1.0, 1.0]])
    np.testing.assert_array_equal(fw.augmented(fw.dense, x, slow, fast), [[2.0, 1.0, 4.0]])
    np.testing.assert_array_equal(fw.augmented(fw.dense, x, slow), [[2.0, 0.0, 3.0]])
    np.testing.assert_array_equal(fw.summed(fw.dense, x, slow, fast), [[-3.0, -1.0, 4.0]])


def kernels(rng, *items):
    """Of two convolutions, a dense layer and a head."""
    shapes = fw.Kernels([(3, 3, 1, 2), (3, 3, 2, 2)], (4, 3), (3, 2))
    convolutions = [rng.normal(size=(*items, *shape)) for shape in shapes.convolutions]
    dense, head = (rng.normal(size=(*items, *shape)) for shape in shapes[1:])
    return fw.Kernels(convolutions, dense, head)


@pytest.mark.parametrize("own", [True, False])
def test_networks_with_fast_weights(rng, own):
    """Of each item, or shared; and what one forgets most easily: odd rows stay in pooling."""
    slow = kernels(rng)
    fast = kernels(rng, *([2] if own else []))
    x = rng.normal(size=(2, 5, 3, 1))  # 5x3, 3x2, 2x1: the dense layer sees 4 numbers
    for i in range(2):
        theirs = tree.flatten(slow)
        mine = [w[i] if own else w for w in tree.flatten(fast)]
        np.testing.assert_allclose(
            fw.logits(x, slow, fast)[i], metanet_oracle.logits(x[i], theirs, mine), rtol=1e-9
        )
        np.testing.assert_allclose(
            fw.embed(x, slow.without_head(), fast.without_head())[i],
            metanet_oracle.embed(x[i], theirs[:-1], mine[:-1]),
            rtol=1e-9,
        )


def test_a_step_of_the_lstm(rng):
    x, hidden, memory = rng.normal(size=(4, 2)), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    kernel, bias = rng.normal(size=(5, 12)), rng.normal(size=12)
    found = lstm_step(x, hidden, memory, kernel, bias)
    for i in range(4):
        expected = oracles.lstm_step(x[i], hidden[i], memory[i], kernel[:2], kernel[2:], bias)
        np.testing.assert_allclose([part[i] for part in found], expected, rtol=1e-9)


def test_attention_mixes_the_memory(rng):
    keys, queries = rng.normal(size=(4, 3)), rng.normal(size=(2, 3))
    values = [rng.normal(size=(4, 2, 2)), rng.normal(size=(4, 5))]
    valid = np.array([1.0, 0.0, 1.0, 1.0])
    found = fw.mix(keys, valid, values, queries)
    for i, query in enumerate(queries):
        attention = oracles.softmax(oracles.cosine(query[None], keys[valid > 0])[0])
        for value, mixed in zip(values, found, strict=True):
            expected = sum(a * w for a, w in zip(attention, value[valid > 0], strict=True))
            np.testing.assert_allclose(mixed[i], expected, rtol=1e-9)


@pytest.mark.parametrize("head", [True, False])
def test_every_coordinate_passes_the_generator_of_its_kind(rng, head):
    gradients = kernels(rng, 3)
    gradients = gradients if head else gradients.without_head()
    found = generated(lambda x: 2 * x, lambda x: x + 1, gradients)
    for a, b in zip(found.convolutions, gradients.convolutions, strict=True):
        np.testing.assert_array_equal(a, 2 * b)
    np.testing.assert_array_equal(found.dense, gradients.dense + 1)
    np.testing.assert_array_equal(found.head, gradients.head + 1 if head else ())


def test_a_generator_may_join_the_items(rng):
    gradients = kernels(rng, 3)
    found = generated(lambda x: ops.sum(x, 0), lambda x: ops.max(x, 0), gradients)
    for a, b in zip(found.convolutions, gradients.convolutions, strict=True):
        np.testing.assert_allclose(a, b.sum(0), rtol=1e-12)
    np.testing.assert_array_equal(found.dense, gradients.dense.max(0))
    np.testing.assert_array_equal(found.head, gradients.head.max(0))


def test_columns_in_pieces_equal_all_at_once(rng):
    """Values and the gradient of the weights, where the last piece is not full."""
    columns = ops.convert_to_tensor(rng.normal(size=(3, 10)))
    weights = [ops.convert_to_tensor(rng.normal(size=(3, 1))), ops.convert_to_tensor(0.5)]

    def function(columns, given):
        return ops.tanh(columns * given[0]) * ops.cast(given[1], "float64")

    def loss(together):
        def inner(given):
            return ops.sum(
                ops.square(differentiation.by_columns(function, columns, given, together))
            ), ()

        return differentiation.value_and_gradients(inner, weights)

    (whole, _), expected = loss(10)
    (pieces, _), found = loss(4)
    np.testing.assert_allclose(pieces, whole)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b)
