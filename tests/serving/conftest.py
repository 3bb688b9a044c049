"""Bundles of every metric learner, to grow and to damage."""

import shutil

import keras
import numpy as np
import pytest
from specimens import METRIC

import kmeta

TEMPERATURES = {  # untrained networks with large weights are as sure as they are wrong
    "PrototypicalNetwork": 3e6,
    "SiameseNetwork": 2e3,
    "RelationNetwork": 4e2,
}
SHOTS = {"ant": 2, "bee": 1, "cat": 3, "dog": 2}  # the last is learned on the device


@pytest.fixture(scope="session")
def support():
    """Images of each class, a pattern of its own with noise, and queries, some of each."""
    rng = np.random.default_rng(0)
    patterns = {name: np.kron(rng.random((4, 4)) > 0.5, np.ones((7, 7))) for name in SHOTS}

    def draw(name, count):
        noise = rng.random((count, 28, 28))
        return (0.7 * patterns[name] + 0.3 * noise).astype("float32")[..., None]

    images = {name: draw(name, count) for name, count in SHOTS.items()}
    return images, np.concatenate([draw(name, 2) for name in SHOTS])


def adapt(learner, images, names):
    """A classifier of some of the classes, in their order."""
    labels = np.arange(len(names)).repeat([len(images[name]) for name in names])
    classifier = learner.adapt(np.concatenate([images[name] for name in names]), labels, names)
    return classifier.with_options(temperature=TEMPERATURES.get(type(learner).__name__, 1.0))


@pytest.fixture(scope="session")
def exported(support, tmp_path_factory):
    """Return, for a learner's name, the learner and the bundle of its first three classes."""
    made = {}

    def make(name):
        if name not in made:
            keras.utils.set_random_seed(1)
            learner = METRIC[name](4)
            learner.build((28, 28, 1))
            rng = np.random.default_rng(2)
            for weight in learner.trainable_weights:
                weight.assign(3 * weight + 0.1 * rng.normal(size=weight.shape))
            path = tmp_path_factory.mktemp("bundles") / name.replace(" ", "-")
            kmeta.export(adapt(learner, support[0], ["ant", "bee", "cat"]), path)
            made[name] = learner, path
        return made[name]

    return make


@pytest.fixture
def bundle(exported, tmp_path):
    """A bundle of a Prototypical Network, to change."""
    return shutil.copytree(exported("prototypical")[1], tmp_path / "bundle")
