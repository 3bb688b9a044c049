"""The backbone of photographs with both heads: every signature, by every runtime."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kmeta
from kmeta.data.pictures import picture
from kmeta.exporting import load_bundle
from kmeta.few_shot.backbones import learner_of

SIGNATURES = {"serving_default", "serving_raw", "embed", "adapt", "classify", "episode"}


@pytest.fixture(scope="module")
def pictures():
    """Five coarse coloured images `[5, 224, 224, 3]`, uint8."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype="uint8")
    return coarse.repeat(56, axis=1).repeat(56, axis=2)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["ridge", "prototypes"])
def test_every_signature_says_what_keras_says(head, pictures, tmp_path):
    """A fresh process compares SavedModel and ONNX; here device, server and Python are compared."""
    learner = learner_of("photos", head=head)
    support, new, query = pictures[:3], pictures[3:4], pictures[4:]
    classifier = learner.adapt(support, ["a", "b", "b"])
    kmeta.export(classifier, tmp_path / "bundle", pictures[:2], tolerance=1e-5)
    parity = json.loads((tmp_path / "bundle/manifest.json").read_text())["parity"]
    found = parity["signatures"]
    assert set(found["onnx"]) == SIGNATURES
    assert set(found["saved_model"]) == SIGNATURES | {"serving_bytes"}
    assert max(max(x.values()) for x in found.values()) <= 1e-5

    device = load_bundle(tmp_path / "bundle")
    np.testing.assert_allclose(
        device.predict(query), classifier.predict(query, verbose=0), atol=1e-5
    )
    photo = Image.fromarray(query[0]).resize((300, 260))
    prepared = picture(photo, classifier.image_shape, classifier.crop)[None]
    expected = classifier.predict(prepared, verbose=0)
    served = tf.saved_model.load(str(tmp_path / "bundle/saved_model/1")).signatures
    encoded = tf.constant([tf.io.encode_png(np.asarray(photo)).numpy()])
    outputs = served["serving_bytes"](image_bytes=encoded)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)

    device.add_class("c", new)  # equals learning all at once
    whole = learner.adapt(pictures[:4], ["a", "b", "b", "c"])
    np.testing.assert_allclose(device.predict(query), whole.predict(query, verbose=0), atol=1e-5)
