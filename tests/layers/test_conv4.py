import keras
import numpy as np
import oracles
import pytest
from keras import ops

from kmeta.layers import BatchNormalization, Conv4
from kmeta.layers.batch_normalization import batch_norm_statistics
from kmeta.ops import differentiation

rng = np.random.default_rng(3)
IMAGES = rng.random((6, 28, 28, 1)).astype("float32")


def randomised(layer):
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) * (0.3 if "kernel" in weight.path else 1))
    return layer


def oracle(layer, x, stride):
    for convolution, norm in zip(layer.convolutions, layer.normalizations, strict=True):
        x = oracles.convolve_same(
            x, *[ops.convert_to_numpy(w) for w in convolution.weights], stride
        )
        gamma = ops.convert_to_numpy(norm.gamma) if norm.scale else 1.0
        x, _, _ = oracles.batch_norm(x, gamma, ops.convert_to_numpy(norm.beta), norm.epsilon)
        x = np.maximum(x, 0)
        x = oracles.max_pool(x) if stride == 1 else x
    return x


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({}, 5),
        ({"downsampling": "stride"}, 20),
        ({"downsampling": "stride", "features": "mean", "scale": False, "epsilon": 1e-3}, 5),
    ],
)
def test_equals_the_papers_networks_in_numpy(options, features):
    layer = Conv4(5, **options)
    layer.build(IMAGES.shape)
    randomised(layer)
    maps = oracle(layer, IMAGES.astype("float64"), 1 if layer.downsampling == "pool" else 2)
    expected = maps.mean((1, 2)) if layer.features == "mean" else maps.reshape(6, -1)
    assert expected.shape == (6, features)
    np.testing.assert_allclose(layer(IMAGES, training=True), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("size", "features"), [(28, 64), (84, 1600)])
def test_published_feature_counts(size, features):
    assert Conv4()(np.zeros((1, size, size, 1), "float32")).shape == (1, features)


def test_momentum_and_epsilon_are_used():
    layer = Conv4(5, momentum=0.25, epsilon=0.5)
    layer.build(IMAGES.shape)
    layer(IMAGES, training=True)
    convolution, norm = layer.convolutions[0], layer.normalizations[0]
    maps = oracles.convolve_same(IMAGES, *[ops.convert_to_numpy(w) for w in convolution.weights], 1)
    np.testing.assert_allclose(norm.moving_mean, 0.75 * maps.mean((0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, 0.25 + 0.75 * maps.var((0, 1, 2)), rtol=1e-4)
    assert norm.epsilon == 0.5


def test_config_round_trip_keeps_every_argument():
    layer = Conv4(5, "stride", "mean", False, 0.7, 1e-4)
    clone = Conv4.from_config(layer.get_config())
    for name in ("filters", "downsampling", "features", "scale", "momentum", "epsilon"):
        assert getattr(clone, name) == getattr(layer, name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, "`filters` must be a positive integer. Received: filters=0"),
        ({"filters": 2.5}, "`filters` must be a positive integer. Received: filters=2.5"),
        ({"downsampling": "max"}, "`downsampling` must be one of .'pool', 'stride'.. Received"),
        ({"features": "sum"}, "`features` must be one of .'flatten', 'mean'.. Received"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Conv4(**options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((None, 28, 28), "expects images"), ((None, 8, 8, 1), "at least 16x16 pixels")],
)
def test_bad_images(shape, message):
    with pytest.raises(ValueError, match=message):
        Conv4().build(shape)


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_fused_batch_normalization_is_the_stock_layer(options):
    x = rng.normal(size=(4, 5, 5, 3)).astype("float32") * 3 + 1
    ours, stock = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    for layer in (ours, stock):
        layer.build(x.shape)
        for weight in layer.trainable_weights:
            weight.assign([0.5, 1.5, 2.5])
    np.testing.assert_allclose(ours(x, training=True), stock(x, training=True), atol=2e-5)
    for a, b in zip(ours.weights, stock.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours(x), stock(x), atol=1e-5)
    with differentiation.exact_moments():
        np.testing.assert_allclose(ours(x, training=True), stock(x, training=True), atol=2e-5)


def test_batch_norm_statistics_overrides_training_and_restores():
    model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    x = rng.normal(size=(8, 3)).astype("float32") * 3 + 1
    running = ops.convert_to_numpy(model(x))
    norm = model.layers[0]
    with batch_norm_statistics(model, batch=True, momentum=0.0):
        by_batch = ops.convert_to_numpy(model(x, training=False))  # no dropout
    np.testing.assert_allclose(by_batch.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(norm.moving_mean, x.mean(0), rtol=1e-4)
    assert norm.momentum == 0.99
    norm.moving_mean.assign(np.zeros(3))
    norm.moving_variance.assign(np.ones(3))
    with batch_norm_statistics(model, batch=False):
        dropped = ops.convert_to_numpy(model(x, training=True))
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], 2 * running[kept], rtol=1e-5)
    np.testing.assert_allclose(model(x), running)
    assert "call" not in vars(norm)
