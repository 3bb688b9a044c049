"""Learners where Keras' default type is float64, which people set for whole programs."""

import keras
import numpy as np
import pytest
from specimens import SIZE, SPECIMENS


@pytest.fixture
def doubles():
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize("name", ["MemoryAugmentedNetwork", "MetaNetwork", "PrototypicalNetwork"])
def test_adapts_in_double_precision(name):
    images = np.random.default_rng(0).random((4, SIZE, SIZE, 1))
    found = SPECIMENS[name].make().adapt(images, [0, 0, 1, 2]).predict(images, verbose=0)
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
