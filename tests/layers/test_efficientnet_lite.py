"""EfficientNet-Lite0 against features that another framework computed."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

import kmeta
from kmeta.layers.efficientnet_lite import EPSILON, EfficientNetLite0


def test_batch_normalisation_is_folded_in():
    rng = np.random.default_rng(0)
    layer = EfficientNetLite0()
    with pytest.raises(ValueError, match="Build the layer first"):
        layer.load_arrays({})
    layer.build((None, 32, 32, 3))
    with np.load(kmeta.weights.path("photos")) as file:
        arrays = dict(file)
    layer.load_arrays(arrays)
    x = rng.normal(size=(1, 8, 8, 32)).astype("float32")
    kernel, *normalised = (
        arrays[f"block0_depthwise{part}"].astype("float32")
        for part in ("/kernel", "_bn/gamma", "_bn/beta", "_bn/moving_mean", "_bn/moving_variance")
    )
    gamma, beta, mean, variance = normalised
    convolved = keras.ops.depthwise_conv(x, kernel, padding="same")
    expected = gamma * (convolved - mean) / np.sqrt(variance + EPSILON) + beta
    depthwise = layer.blocks[0][0].layers[0]
    np.testing.assert_allclose(depthwise(x), np.clip(expected, 0, 6), atol=1e-4)
    assert layer.count_params() == 3_350_000
    images = rng.random((2, 32, 32, 3), dtype="float32")
    assert layer(images).shape == (2, 1280)
    copy = EfficientNetLite0.from_config(layer.get_config())
    copy.build((None, 32, 32, 3))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(images), layer(images))


@pytest.mark.skipif("KMETA_DATA" not in os.environ, reason="KMETA_DATA names no reference")
def test_features_are_those_of_another_framework():
    with np.load(Path(os.environ["KMETA_DATA"], "efficientnet-lite0", "reference.npz")) as file:
        expected, first = file["features"], file["first_pixels"]
    images = np.random.default_rng(7).random((4, 224, 224, 3), dtype="float32")
    np.testing.assert_allclose(images[0, 0, :4], first, atol=1e-6)
    found = np.asarray(kmeta.load("photos").network(images))
    assert np.abs(found - expected).max() < 0.05
    lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    assert ((found * expected).sum(-1) / lengths).min() > 0.9999
