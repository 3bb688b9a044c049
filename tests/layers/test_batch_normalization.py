"""Batch normalisation against NumPy, on the fused path and on the stock one."""

import keras
import numpy as np
import pytest

import kmeta

EPSILON, MOMENTUM = 1e-3, 0.8


def images(dtype="float32"):
    return np.random.default_rng(0).normal(2, 3, (3, 4, 5, 2)).astype(dtype)


def made(**options):
    layer = kmeta.layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, **options)
    layer.build((None, 4, 5, 2))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.weights])
    return layer


@pytest.mark.parametrize("dtype", ["float32", "float64"])  # fused, and stock
def test_training_equals_numpy(dtype):
    layer, x = made(dtype=dtype), images(dtype)
    gamma, beta, old_mean, old_variance = layer.get_weights()
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)
    _, _, new_mean, new_variance = layer.get_weights()
    kept = 1 - MOMENTUM
    np.testing.assert_allclose(new_mean, MOMENTUM * old_mean + kept * mean, rtol=1e-5)
    np.testing.assert_allclose(new_variance, MOMENTUM * old_variance + kept * variance, rtol=1e-5)


def test_use_equals_numpy_and_keeps_statistics():
    layer, x = made(), images()
    before = gamma, beta, mean, variance = layer.get_weights()
    expected = gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_without_scale_and_shift():
    x = images()
    expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + EPSILON)
    layer = made(scale=False, center=False)
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-5)


def test_a_layer_that_is_not_trained_uses_its_statistics():
    layer, x = made(), images()
    expected = keras.ops.convert_to_numpy(layer(x))
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), expected, atol=1e-6)
