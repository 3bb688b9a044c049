"""Learners where Keras' default type is float64, which people set for whole programs."""

import keras
import numpy as np
import pytest

import kmeta

MAKERS = {
    "MemoryAugmentedNetwork": lambda: kmeta.MemoryAugmentedNetwork(kmeta.layers.Conv4(2), 2),
    "MetaNetwork": lambda: kmeta.MetaNetwork(kmeta.layers.AugmentedConvNet(2, 2, 1, 2)),
    "PrototypicalNetwork": lambda: kmeta.PrototypicalNetwork(kmeta.layers.Conv4(2)),
}


@pytest.fixture
def doubles():
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", MAKERS)
def test_adapts_in_double_precision(name):
    images = np.random.default_rng(0).random((4, 16, 16, 1))
    found = MAKERS[name]().adapt(images, [0, 0, 1, 1]).predict(images, verbose=0)
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
