"""One classifier and one bundle of it, shared: every export loads TensorFlow in a process."""

import shutil

import keras
import numpy as np
import pytest

import kmeta

SHAPE = (28, 28, 1)


@pytest.fixture(scope="session")
def images():
    """Images `[7, 28, 28, 1]` of which the first five, one a class, are the support set."""
    return np.random.default_rng(1).random((7, *SHAPE), dtype="float32")


@pytest.fixture(scope="session")
def classifier(images):
    keras.utils.set_random_seed(2)
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(4), scale=30.0)
    return learner.adapt(images[:5], ["ant", "bee", "cat", "dög", "eel"])


@pytest.fixture(scope="session")
def exported(classifier, images, tmp_path_factory):
    """`(report, path)` of a bundle that tests read and do not change."""
    path = tmp_path_factory.mktemp("exported") / "deep" / "bundle"
    return kmeta.export(classifier, path, sample=images[:5]), path


@pytest.fixture
def copy(exported, tmp_path):
    """Path of a bundle to change."""
    return shutil.copytree(exported[1], tmp_path / "bundle")
