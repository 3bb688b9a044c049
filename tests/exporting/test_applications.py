"""Networks that people bring: those of `keras.applications`, and what these are made of."""

import keras
import numpy as np
import pytest
from keras import layers

import kmeta

SMALLEST = {  # of each family, with the shortest side that it takes
    "ConvNeXtTiny": 32,
    "DenseNet121": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "NASNetMobile": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "VGG16": 32,
    "VGG19": 32,
    "Xception": 71,
}


class Fixed(layers.Layer):
    """A layer of a user that keeps a constant as a tensor."""

    def build(self, shape):
        self.factor = keras.ops.linspace(0.5, 2.0, shape[-1])

    def call(self, x):
        return x * self.factor


PARTS = {  # constants that are no weights, and functions within the graph
    "Normalization": lambda: layers.Normalization(mean=[0.2, 0.4, 0.6, 0.5], variance=[0.1] * 4),
    "own": Fixed,
    "grouped": lambda: layers.Conv2D(8, 3, groups=4),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "gelu": lambda: layers.Activation("gelu"),
}


def exported(network, side, channels, path, tolerance=1e-5):
    """Export an untrained network as a classifier; returns what it says of other images, twice."""
    images = np.random.default_rng(0).random((6, side, side, channels), dtype="float32")
    classifier = kmeta.PrototypicalNetwork(network, scale=10.0).adapt(images[:4], [0, 0, 1, 1])
    report = kmeta.export(classifier, path, tolerance=tolerance)
    assert max(report.saved_model_difference, report.onnx_difference) <= tolerance
    bundle = kmeta.exporting.load_bundle(path)
    return classifier.predict(images[4:], verbose=0), bundle.predict(images[4:])


def test_what_networks_are_made_of(tmp_path):
    keras.utils.set_random_seed(0)
    parts = [make() for make in PARTS.values()]
    network = keras.Sequential([*parts, layers.GlobalAveragePooling2D()])
    keras_says, bundle_says = exported(network, 9, 4, tmp_path / "bundle")
    np.testing.assert_allclose(keras_says, bundle_says, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_families_of_applications(name, tmp_path):
    keras.utils.set_random_seed(0)
    side = SMALLEST[name]
    network = getattr(keras.applications, name)(
        weights=None, include_top=False, pooling="avg", input_shape=(side, side, 3)
    )
    keras_says, bundle_says = exported(network, side, 3, tmp_path / "bundle", 1e-3)
    np.testing.assert_allclose(keras_says, bundle_says, atol=1e-3)


def test_no_family_is_missing():
    known = {name: getattr(keras.applications, name) for name in dir(keras.applications)}
    families = {name: made.__module__ for name, made in known.items() if name[0].isupper()}
    assert {families[name] for name in SMALLEST} == set(families.values())
