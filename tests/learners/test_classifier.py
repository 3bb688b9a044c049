"""What `adapt` returns: which images and names it takes, whatever policy is set, and Keras' own
exports of it."""

import json
import zipfile

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import kmeta

IMAGES = np.random.default_rng(0).random((6, 12, 12, 1), dtype="float32")
LABELS = [0, 0, 1, 1, 2, 2]


def make():
    network = keras.Sequential([keras.layers.Conv2D(3, 5, strides=4), keras.layers.Flatten()])
    return kmeta.PrototypicalNetwork(network)


@pytest.fixture(scope="module")
def learner():
    keras.utils.set_random_seed(0)
    learner = make()
    learner.build(IMAGES.shape[1:])
    return learner


@pytest.fixture
def classifier(learner):
    return learner.adapt(IMAGES, LABELS, ["ant", "bee", "cat"])


def spoiled(value):
    images = IMAGES.copy()
    images[3, 5, 5] = value
    return images


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (spoiled(np.nan), "must be finite"),
        (spoiled(np.inf), "must be finite"),
        (IMAGES * 255, r"must hold floats in \[0, 1\] or uint8. Received: floats from 0"),
        (IMAGES * 2 - 1, r"must hold floats in \[0, 1\] or uint8. Received: floats from -0.9"),
        (spoiled(1.01), r"must hold floats in \[0, 1\] or uint8. Received: floats from .* to 1.01"),
    ],
)
def test_pixels_that_every_entrance_refuses(learner, classifier, images, text):
    for function in (classifier, classifier.predict, classifier.logits, classifier.label):
        with pytest.raises(ValueError, match=text):
            function(images)
    with pytest.raises(ValueError, match=text):
        learner.adapt(images, LABELS)
    data = tf.data.Dataset.from_tensor_slices(images).batch(4)
    with pytest.raises(ValueError, match="`x` must hold uint8 or finite floats in"):
        classifier.predict(data, verbose=0)


def test_rounding_is_allowed_and_vectors_are_no_pictures(classifier):
    near = spoiled(1.0005)
    assert np.isfinite(classifier.predict(near, verbose=0)).all()
    data = tf.data.Dataset.from_tensor_slices(near).batch(4)
    np.testing.assert_allclose(classifier.predict(data, verbose=0), classifier(near), atol=1e-6)
    vectors = np.array([[-3.0, 40.0], [5.0, 1.0]], "float32")
    found = kmeta.PrototypicalNetwork(keras.layers.Identity()).adapt(vectors, [0, 1])
    np.testing.assert_allclose(found.predict(vectors, verbose=0), np.eye(2), atol=1e-6)


def test_label_is_the_rule_written_out(classifier):
    classifier = classifier.with_options(temperature=0.5, familiarity=(0.3, 1.0))
    logits = np.asarray(classifier.logits(IMAGES), "float64")
    powers = np.exp(logits / 0.5)
    probabilities = powers / powers.sum(axis=-1, keepdims=True)
    expected = probabilities.max(-1) / (1 + np.exp(-(0.3 * logits.max(-1) + 1.0)))
    found, labels, scores = classifier.answers(np.concatenate([IMAGES] * 20))  # several batches
    np.testing.assert_allclose(found[-6:], probabilities, atol=1e-6)
    np.testing.assert_allclose(scores[-6:], expected, atol=1e-6)
    names = np.array(["ant", "bee", "cat"])[probabilities.argmax(-1)]
    assert labels[-6:] == names.tolist()
    threshold = float(np.median(expected))
    labels, scores = classifier.with_options(threshold=threshold).label(IMAGES)
    wanted = np.where(expected >= threshold, names, "unknown")
    assert labels == wanted.tolist()
    assert set(labels) > {"unknown"}


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c", "d"]])
def test_as_many_names_as_classes(learner, classifier, names, tmp_path):
    wrong = kmeta.Classifier(learner, classifier.state, names)
    text = rf"`class_names` must have 3 names, .* Received: {len(names)}, \['a"
    for use in (wrong.predict, wrong.label, lambda x: kmeta.export(wrong, tmp_path / "bundle", x)):
        with pytest.raises(ValueError, match=text):
            use(IMAGES)
    assert not (tmp_path / "bundle").exists()


def test_names_are_the_classifiers_own(classifier):
    """Who changes the list that he is given changes no answer."""
    expected = classifier.label(IMAGES)
    classifier.class_names.append("dog")
    classifier.class_names[0] = "cat"
    assert classifier.class_names == ["ant", "bee", "cat"]
    assert classifier.label(IMAGES) == expected
    with pytest.raises(AttributeError):
        classifier.class_names = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"class_names": ["a", "b"]}, "`class_names` must have 3 names"),
        ({"class_names": ["a", "b", "c", "d"]}, "`class_names` must have 3 names"),
        ({"class_names": ["a", "a", "b"]}, "two different names or more"),
        ({"class_names": [1, 2, 3]}, "must be a text"),
        ({"class_names": ["a", "b", "\x1b[2J"]}, "must be a text"),
        ({"class_names": ["a", "b", ["c"]]}, "must be a text"),
        ({"class_names": "abc"}, "must be a list of names"),
        ({"class_names": {"a": 1, "b": 2, "c": 3}}, "must be a list of names"),
        ({"class_names": None}, "must be a list of names"),
        ({"class_names": ["a", "b", "unknown"], "threshold": 0.5}, "may be called 'unknown'"),
        ({"structure": 7}, "no configuration of a classifier"),
        ({"structure": {"x": 0}}, "no configuration of a classifier"),
        ({"specs": [[[1, 2, 12], "float32"]]}, "`class_names` must have 2 names"),
        ({"specs": 3}, "no configuration of a classifier"),
        ({"specs": [[[1, -3, 12], "float32"]]}, "non-negative"),
        ({"temperature": "1"}, "`temperature` must be a positive number"),
        ({"familiarity": [0.0, None]}, "`familiarity` must be two finite numbers"),
    ],
)
def test_classifiers_of_changed_files(classifier, changes, text, tmp_path):
    classifier.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = json.loads(members["config.json"])
    config["config"].update(changes)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(ValueError, match=text):
        keras.models.load_model(tmp_path / "a.keras")
    with pytest.raises(ValueError, match=text):
        kmeta.load(tmp_path / "a.keras")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_a_policy_set_for_training_changes_no_classifier(learner, policy):
    expected = learner.adapt(IMAGES, LABELS).predict(IMAGES, verbose=0)
    keras.config.set_dtype_policy(policy)
    try:
        classifier = learner.adapt(IMAGES, LABELS)
        found = classifier.predict(IMAGES, verbose=0)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_allclose(classifier(IMAGES), expected, atol=1e-6)
        own = make().adapt(IMAGES, LABELS)  # a learner of that policy
        assert own.predict(IMAGES, verbose=0).dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_exports_of_keras(classifier, tmp_path):
    """Called before or not."""
    expected = np.asarray(classifier(IMAGES))
    fresh = classifier.with_options()
    fresh.export(tmp_path / "saved_model", verbose=False)
    model = tf.saved_model.load(str(tmp_path / "saved_model"))
    np.testing.assert_allclose(model.serve(IMAGES), expected, atol=1e-5)
    classifier.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: IMAGES})
    np.testing.assert_allclose(found, expected, atol=1e-5)
    content = tf.lite.TFLiteConverter.from_keras_model(classifier.with_options()).convert()
    lite = tf.lite.Interpreter(model_content=content)
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], IMAGES[:1])
    lite.invoke()
    found = lite.get_tensor(lite.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, expected[:1], atol=1e-5)
