import keras
import numpy as np
import pytest
from keras import ops

import kmeta
from kmeta import Pairs
from kmeta.layers import KochConvNet

rng = np.random.default_rng(12)


def convolve_valid(x, kernel, bias):
    side = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))
    return np.einsum("nijcab,abcd->nijd", windows, kernel, optimize=True) + bias


def pool(x):
    n, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def test_equals_the_papers_network_in_numpy():
    layer = KochConvNet(features=5)
    images = rng.random((2, 65, 67, 1)).astype("float32")
    layer.build(images.shape)
    for weight in layer.weights:
        weight.assign(rng.normal(scale=0.05, size=weight.shape))
    weights = [ops.convert_to_numpy(weight).astype("float64") for weight in layer.weights]
    x = images.astype("float64")
    for i in range(3):
        x = pool(np.maximum(convolve_valid(x, *weights[2 * i : 2 * i + 2]), 0))
    x = np.maximum(convolve_valid(x, *weights[6:8]), 0)
    assert x.shape == (2, 1, 1, 256)
    expected = 1 / (1 + np.exp(-(x.reshape(2, -1) @ weights[8] + weights[9])))
    np.testing.assert_allclose(layer(images), expected, rtol=1e-4, atol=1e-5)


def test_published_count_of_weights():
    learner = kmeta.SiameseNetwork(KochConvNet())
    learner.build((105, 105, 1))
    by_hand = [
        64 * (10 * 10 * 1) + 64,  # 105 - 9 = 96, pooled 48
        128 * (7 * 7 * 64) + 128,  # 48 - 6 = 42, pooled 21
        128 * (4 * 4 * 128) + 128,  # 21 - 3 = 18, pooled 9
        256 * (4 * 4 * 128) + 256,  # 9 - 3 = 6
        4096 * (6 * 6 * 256) + 4096,
        1 * 4096 + 1,  # the weighted L1 distance
    ]
    assert learner.count_params() == sum(by_hand) == 38_951_745
    layers = [*learner.network.convolutions, learner.network.dense, learner.head]
    assert [layer.count_params() for layer in layers] == by_hand


def test_weights_start_as_published():
    layer = KochConvNet(features=20)
    layer.build((None, 105, 105, 1))
    for part in (*layer.convolutions, layer.dense):
        kernel, bias = (ops.convert_to_numpy(weight) for weight in part.weights)
        stddev = 0.2 if part is layer.dense else 0.01
        assert kernel.std() == pytest.approx(stddev, rel=0.1)
        assert abs(kernel.mean()) < 0.1 * stddev
        assert bias.mean() == pytest.approx(0.5, abs=0.01)
        assert bias.std() == pytest.approx(0.01, rel=0.6)


def test_l2_is_a_penalty_on_all_but_biases():
    layer = KochConvNet(features=3, l2=0.5)
    layer(rng.random((1, 65, 65, 1)).astype("float32"))
    kernels = [part.kernel for part in (*layer.convolutions, layer.dense)]
    expected = 0.5 * sum(np.sum(ops.convert_to_numpy(kernel) ** 2) for kernel in kernels)
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-4)
    assert not KochConvNet(features=3).losses


@pytest.mark.slow
def test_a_few_steps_lower_the_loss():
    keras.utils.set_random_seed(0)
    learner = kmeta.SiameseNetwork(KochConvNet(features=256))
    learner.compile(keras.optimizers.Adam(1e-3))
    blocks = np.random.default_rng(12).integers(0, 2, (8, 13, 13, 1))
    images = np.kron(blocks, np.ones((1, 5, 5, 1))).astype("float32")
    pairs = Pairs(images, np.concatenate([images[:4], images[:4]]))
    same = np.arange(8) < 4
    losses = learner.fit(pairs, same, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]


def test_config_keeps_every_argument():
    clone = KochConvNet.from_config(KochConvNet(7, 0.25).get_config())
    assert (clone.features, clone.l2) == (7, 0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": 0}, "`features` must be a positive integer. Received: features=0"),
        ({"features": 2.5}, "`features` must be a positive integer. Received: features=2.5"),
        ({"l2": -1}, "`l2` must be a finite number of at least 0. Received: l2=-1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        KochConvNet(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((None, 105, 105), "expects images"), ((None, 105, 64, 1), "at least 65x65 pixels")],
)
def test_bad_images(shape, message):
    with pytest.raises(ValueError, match=message):
        KochConvNet().build(shape)
