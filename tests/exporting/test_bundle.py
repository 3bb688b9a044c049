"""Reading bundles, whole and damaged."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import bundled
import numpy as np
import pytest

import kmeta
from kmeta.data.images import SCALING
from kmeta.exporting import load_bundle, verify_bundle


def test_manifest_says_what_is_there(exported, classifier):
    report, path = exported
    manifest = verify_bundle(path)
    assert manifest["format_version"] == 3
    assert manifest["learner"]["class_name"] == "kmeta>PrototypicalNetwork"
    assert manifest["learner"]["config"]["scale"] == 30.0
    assert manifest["learner"]["config"]["network"]["config"]["filters"] == 4
    assert manifest["bn_mode"] == classifier.bn_mode == "running"
    assert manifest["class_names"] == ["ant", "bee", "cat", "dög", "eel"]
    assert manifest["input"]["shape"] == ["batch", 28, 28, 1]
    assert (manifest["input"]["name"], manifest["input"]["dtype"]) == ("images", "float32")
    assert manifest["input"]["scaling"] == SCALING
    assert manifest["output"]["shape"] == ["batch", 5]
    parity = manifest["parity"]
    assert parity["saved_model"] == report.saved_model_difference
    assert parity["onnx"] == report.onnx_difference == max(parity["signatures"]["onnx"].values())
    assert parity["tolerance"] == 1e-5
    assert set(parity["signatures"]["saved_model"]) == set(manifest["signatures"])
    assert manifest["state"] == {"file": "state.npz", "rows": "classes"}
    settings = {"temperature": 1.0, "threshold": 0.0, "slope": 0.0, "offset": 100.0}
    assert manifest["rejection"] == {**settings, "unknown": "unknown"}
    assert manifest["signatures"]["adapt"] == {
        "inputs": {
            "support_images": {"dtype": "float32", "shape": ["items", 28, 28, 1]},
            "support_labels": {"dtype": "int64", "shape": ["items"]},
        },
        "outputs": {"prototypes": {"dtype": "float32", "shape": ["way", 4]}},
    }
    for name in ("kmeta", "python", "tensorflow", "keras", "tf2onnx", "onnxruntime"):
        assert manifest["versions"][name][0].isdigit()

    found = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
    assert list(manifest["files"]) == sorted(set(found) - {"manifest.json"})
    assert {"classifier.onnx", "sample.npz", "saved_model/1/saved_model.pb"} < set(found)
    for name, entry in manifest["files"].items():
        data = found[name].read_bytes()
        assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_sample_holds_what_keras_says(exported, classifier, images):
    sample = bundled.stored(exported[1])
    expected = np.round(images[[0, 2, 4]] * 255)  # three of the five, evenly spread
    np.testing.assert_array_equal(sample["images"], expected)
    np.testing.assert_allclose(sample["probabilities"], classifier(sample["images"]), atol=1e-6)


def test_predict(exported, classifier, images):
    bundle = load_bundle(str(exported[1]))
    assert bundle.class_names == classifier.class_names
    assert bundle.image_shape == (28, 28, 1)
    assert "class_names=['ant'" in repr(bundle)
    expected = classifier.predict(images, verbose=0)
    assert np.ptp(expected) > 0.1
    for size in (1, 7):
        np.testing.assert_allclose(bundle.predict(images[:size]), expected[:size], atol=2e-6)
    many = np.concatenate([images] * 40)  # more than a batch
    np.testing.assert_allclose(bundle.predict(many)[-7:], expected, atol=2e-6)
    pixels = (images * 255).astype("uint8")
    np.testing.assert_allclose(bundle.predict(pixels), classifier(pixels), atol=2e-6)
    with pytest.raises(ValueError, match=r"`images` must have the shape \[n, 28, 28, 1\]"):
        bundle.predict(images[:, :20])
    with pytest.raises(ValueError, match="`images` must hold floats .* images.dtype=int64"):
        bundle.predict(pixels.astype("int64"))


def test_reading_needs_neither_tensorflow_nor_a_converter(exported):
    """And importing does not even load onnxruntime."""
    code = (
        "import sys, numpy as np\n"
        "from kmeta.exporting import export, load_bundle\n"
        "heavy = {'tensorflow', 'keras', 'tf2onnx', 'onnx'}\n"
        "assert not (heavy | {'onnxruntime'}) & set(sys.modules)\n"
        "p = load_bundle(sys.argv[1]).predict(np.zeros((2, 28, 28, 1), 'uint8'))\n"
        "assert abs(p.sum() - 2) < 1e-5\n"
        "assert not heavy & set(sys.modules)\n"
    )
    root = pathlib.Path(kmeta.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code, exported[1]], env=environment, check=True)


def rewrite(path, **changes):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def test_damage_is_named(copy):
    variables = copy / "saved_model" / "1" / "variables" / "variables.data-00000-of-00001"
    data = variables.read_bytes()
    variables.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # one bit
    with pytest.raises(ValueError, match=r"damaged: saved_model/1/variables/\S+ has changed"):
        verify_bundle(copy)
    variables.write_bytes(data)
    verify_bundle(copy)
    onnx = copy / "classifier.onnx"
    data = onnx.read_bytes()
    onnx.write_bytes(data[:-100])
    with pytest.raises(ValueError, match=rf"classifier.onnx has .*{len(data) - 100} bytes instead"):
        load_bundle(copy)
    onnx.unlink()
    with pytest.raises(ValueError, match="damaged: classifier.onnx is missing"):
        load_bundle(copy)


def test_class_names_cannot_be_exchanged(copy):
    rewrite(copy, class_names=["eel", "dög", "cat", "bee", "ant"])
    with pytest.raises(ValueError, match=r"class names in manifest.json are not those in class"):
        load_bundle(copy)
