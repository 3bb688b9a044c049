"""The network of Meta Networks: its shapes, its options, and that fast weights join slow ones."""

import keras
import numpy as np
import pytest
from keras import tree

from kmeta.layers import AugmentedConvNet, ExampleFastWeights, TaskFastWeights


def built(*arguments, shape=(None, 28, 28, 1), **options):
    network = AugmentedConvNet(*arguments, **options)
    network.build(shape)
    return network


def test_the_published_network():
    shapes = [tuple(kernel.shape) for kernel in tree.flatten(built().kernels)]
    inner = (3, 3, 64, 64)
    assert shapes == [(3, 3, 1, 64), inner, inner, inner, inner, (64, 64), (64, 5)]


def test_options_decide_the_shapes():
    network = built(7, filters=3, blocks=2, features=6, shape=(None, 10, 6, 3))
    shapes = [tuple(kernel.shape) for kernel in tree.flatten(network.kernels)]
    assert shapes == [(3, 3, 3, 3), (3, 3, 3, 3), (3 * 2 * 3, 6), (6, 7)]
    assert network(np.zeros((4, 10, 6, 3), "float32")).shape == (4, 7)
    copy = AugmentedConvNet.from_config(network.get_config())
    assert copy.get_config() == network.get_config()


def test_the_initializer_draws_every_kernel_anew():
    keras.utils.set_random_seed(0)
    lecun = [np.array(kernel) for kernel in built(filters=16).convolutions]
    assert lecun[1].std() == pytest.approx((1 / 144) ** 0.5, rel=0.1)
    assert np.abs(lecun[1] - lecun[2]).max() > 0.01
    ones = built(filters=2, initializer="ones")
    assert all(np.array(kernel).min() == 1 for kernel in tree.flatten(ones.kernels))


def test_fast_weights_join_slow_ones():
    network = built(3, filters=2, blocks=2, features=4, shape=(None, 6, 6, 1))
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype("float32")
    slow = network(x)
    none = tree.map_structure(lambda kernel: np.zeros(kernel.shape, "float32"), network.kernels)
    np.testing.assert_array_equal(network(x, none), slow)
    same = tree.map_structure(np.array, network.kernels)
    # doubled by each of four layers
    np.testing.assert_allclose(network(x, same), 16 * slow, rtol=1e-5)


@pytest.mark.parametrize("name", ["way", "filters", "features"])
def test_bad_sizes(name):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer. Received: {name}="):
        AugmentedConvNet(**{name: 0})


@pytest.mark.parametrize("blocks", [0, 17])
def test_bad_numbers_of_blocks(blocks):
    with pytest.raises(ValueError, match="`blocks` must be an integer from 1 to 16. Received"):
        AugmentedConvNet(blocks=blocks)


def test_an_initializer_that_keras_does_not_know():
    with pytest.raises(
        ValueError, match="`initializer` must be the name of a Keras initializer. Received: .*bogus"
    ):
        AugmentedConvNet(initializer="bogus")
    keras.utils.set_random_seed(0)
    expected = keras.initializers.get("lecun_normal").seed
    keras.utils.set_random_seed(0)
    AugmentedConvNet()  # draws nothing yet
    assert keras.initializers.get("lecun_normal").seed == expected


def test_bad_images():
    with pytest.raises(ValueError, match="expects images.*Received: input_shape="):
        built(shape=(None, 28, 28))


@pytest.mark.parametrize("layer", [TaskFastWeights, ExampleFastWeights])
def test_generators_keep_their_units(layer):
    generator = layer(units=7)
    generator.build()
    assert generator.weights[0].shape[-1] in (7, 4 * 7)
    assert layer.from_config(generator.get_config()).units == 7
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units=0"):
        layer(units=0)
