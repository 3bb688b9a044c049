"""Layers take channels last, whatever `keras.json` says."""

import keras
import numpy as np
import pytest
from keras import ops

import kmeta
from kmeta import layers

MAKE = {
    "Conv4": lambda: layers.Conv4(3),
    "Conv4 with strides": lambda: layers.Conv4(3, downsampling="stride", features="mean"),
    "RelationEmbedding": lambda: layers.RelationEmbedding(3),
    "RelationModule": lambda: layers.RelationModule(3, 4),
    "AugmentedConvNet": lambda: layers.AugmentedConvNet(3, 2, 2, 4),
    "KochConvNet": lambda: layers.KochConvNet(2),
    "BatchNormalization": layers.BatchNormalization,
    "EfficientNetLite0": layers.EfficientNetLite0,
}
NO_TRAINING = ("AugmentedConvNet", "KochConvNet", "EfficientNetLite0")


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_are_the_same(name, training, channels_first):
    size = 68 if name == "KochConvNet" else 32
    x = np.random.default_rng(0).random((2, size, size, 3)).astype("float32")
    outputs = []
    for order in ("channels_first", "channels_last"):
        keras.config.set_image_data_format(order)
        keras.utils.set_random_seed(1)
        layer = MAKE[name]()
        options = {} if name in NO_TRAINING else {"training": training}
        outputs.append(ops.convert_to_numpy(layer(x, **options)))
    np.testing.assert_array_equal(*outputs)


def test_a_packaged_learner_adapts(channels_first):
    learner = kmeta.load("prototypical-omniglot")
    x = np.random.default_rng(0).random((4, *learner.image_shape)).astype("float32")
    found = learner.adapt(x, [0, 1, 0, 1])(x)
    keras.config.set_image_data_format("channels_last")
    expected = kmeta.load("prototypical-omniglot").adapt(x, [0, 1, 0, 1])(x)
    np.testing.assert_allclose(found, expected, atol=1e-6)
