"""Networks by name, by path and by hand become learners."""

import urllib.error

import keras
import numpy as np
import pytest

import kmeta
from kmeta.few_shot import backbones


@pytest.mark.parametrize("family", ["mobilenet_v2", "vgg16", "densenet", "efficientnet_v2"])
def test_scaling_is_that_of_the_family(family):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3)).astype("float32")
    module = getattr(keras.applications, family)
    expected = module.preprocess_input(pixels.copy(), data_format="channels_last")
    found = kmeta.layers.ImageNetScaling(family)(pixels / 255)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    copy = kmeta.layers.ImageNetScaling.from_config(
        kmeta.layers.ImageNetScaling(family).get_config()
    )
    np.testing.assert_allclose(copy(pixels / 255), expected, atol=1e-4)


def test_scaling_of_no_family():
    with pytest.raises(ValueError, match="must be a module of keras.applications"):
        kmeta.layers.ImageNetScaling("mobile")


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    """A learner with random weights, and the file of its weights."""
    keras.utils.set_random_seed(0)
    learner = backbones.learner_of("mobilenetv2", weights=None, size=32)
    path = tmp_path_factory.mktemp("weights") / "mobile.weights.h5"
    learner.network.layers[-1].save_weights(path)
    return learner, path


@pytest.mark.slow
def test_network_of_keras(mobile):
    learner, path = mobile
    assert learner.image_shape == (32, 32, 3)
    assert isinstance(learner, kmeta.R2D2)
    assert learner.crop == 0.875  # as for photographs
    images = np.random.default_rng(1).random((4, 32, 32, 3), dtype="float32")
    again = backbones.learner_of("MobileNetV2", weights=str(path), size=32)
    np.testing.assert_allclose(again.network(images), learner.network(images), atol=1e-5)
    network = learner.network.layers[-1]
    np.testing.assert_allclose(
        learner.network(images), network(2 * images - 1), atol=1e-5
    )  # as MobileNetV2 has it


def test_network_of_the_user_and_its_size():
    network = keras.Sequential([keras.layers.Conv2D(3, 3), keras.layers.Flatten()])
    with pytest.raises(ValueError, match="`size` must be given"):
        backbones.learner_of(network)
    assert backbones.learner_of(network, size=10).image_shape == (10, 10, 3)
    fixed = keras.Sequential(
        [keras.Input((12, 9, 1)), keras.layers.Conv2D(3, 3), keras.layers.Flatten()]
    )
    assert backbones.learner_of(fixed).image_shape == (12, 9, 1)


def test_learners_and_files(tmp_path):
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(2))
    with pytest.raises(ValueError, match="must be built"):
        backbones.learner_of(learner)
    learner.build((28, 28, 1))
    assert backbones.learner_of(learner) is learner
    with pytest.raises(ValueError, match="`size` must be 28 or left out"):
        backbones.learner_of(learner, size=32)
    learner.save(tmp_path / "learner.keras")
    loaded = backbones.learner_of(tmp_path / "learner.keras")
    assert loaded.image_shape == (28, 28, 1)
    classifier = learner.adapt(np.zeros((2, 28, 28, 1), "float32"), [0, 1])
    classifier.save(tmp_path / "classifier.keras")
    with pytest.raises(ValueError, match="holds a Classifier"):
        backbones.learner_of(tmp_path / "classifier.keras")


def test_every_network_of_keras_has_its_scaling():
    networks = [name for name in dir(keras.applications) if name[0].isupper()]
    assert len(networks) > 30
    for name in networks:
        kmeta.layers.ImageNetScaling(backbones.family_of(name))


def test_weights_that_cannot_be_downloaded(monkeypatch, tmp_path):
    """One line says which file to get, where from, and which option takes it."""
    from keras.src.utils import file_utils

    def no_network(*_):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(file_utils, "urlretrieve", no_network)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(ValueError, match="cannot be downloaded") as error:
        backbones.learner_of("MobileNetV3Small")
    text = str(error.value)
    assert "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5 where" in text
    assert "https://storage.googleapis.com/" in text and "--weights FILE" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["MobilNetV2"], "Did you mean 'MobileNetV2'"),
        ([3], "must be a name, a path, a learner or a Keras model"),
        (["MobileNetV2", "/nowhere/weights.h5"], "cannot be had"),
    ],
)
def test_what_is_no_backbone(arguments, message):
    with pytest.raises(ValueError, match=message):
        backbones.learner_of(*arguments)


def test_a_folder_called_like_a_packaged_learner_does_not_hide_it(tmp_path, monkeypatch):
    """People keep their photos in a folder `photos`."""
    (tmp_path / "prototypical-omniglot").mkdir()
    monkeypatch.chdir(tmp_path)
    assert backbones.learner_of("prototypical-omniglot").image_shape == (28, 28, 1)
