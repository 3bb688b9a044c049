"""Exports that must not succeed, and leave nothing behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import bundled
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import kmeta
from kmeta.exporting import endpoints, load_bundle, onnx_model, parity, verify_bundle


def files(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


class Inverse(keras.layers.Layer):
    """`inv(x^T x + I)`, which ONNX lacks."""

    def call(self, x):
        gram = tf.matmul(x[..., 0], x[..., 0], transpose_a=True) + tf.eye(x.shape[2])
        return keras.ops.reshape(tf.linalg.inv(gram), (-1, x.shape[2] ** 2))


def test_operation_that_onnx_lacks(tmp_path):
    learner = kmeta.PrototypicalNetwork(keras.Sequential([Inverse()]))
    images = np.random.default_rng(0).random((3, 6, 6, 1))
    with pytest.raises(ValueError, match="operations that ONNX has. .* uses MatrixInverse$"):
        kmeta.export(learner.adapt(images, [0, 1, 2]), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_graph_that_the_checker_refuses(classifier, tmp_path, monkeypatch):
    convert = onnx_model.convert

    def disconnected(endpoint):
        model = convert(endpoint)
        model.graph.node[3].input[0] = "nowhere"
        return model

    monkeypatch.setattr(onnx_model, "convert", disconnected)
    with pytest.raises(ValueError, match=r"valid ONNX graph. .* checker of ONNX says: .*nowhere"):
        kmeta.export(classifier, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_wrong_model_is_found_and_the_old_bundle_stays(classifier, copy, monkeypatch):
    """Every weight of the exported network is a thousandth too large."""
    convert = onnx_model.convert

    def wrong(endpoint):
        model = convert(endpoint)
        for tensor in model.graph.initializer:
            value = onnx.numpy_helper.to_array(tensor)
            if value.ndim == 4 and value.dtype == np.float32:
                tensor.CopyFrom(onnx.numpy_helper.from_array(value * 1.001, tensor.name))
        return model

    monkeypatch.setattr(onnx_model, "convert", wrong)
    before = files(copy)
    with pytest.raises(
        ValueError, match=r"Received: tolerance=1e-05, largest differences onnx [aes]\w+ \d"
    ):
        kmeta.export(classifier, copy, overwrite=True)
    assert files(copy) == before
    assert [p.name for p in copy.parent.iterdir()] == ["bundle"]

    report = kmeta.export(classifier, copy, overwrite=True, tolerance=0.1)
    assert 1e-5 < report.onnx_difference < 0.1
    assert verify_bundle(copy)["parity"]["onnx"] == report.onnx_difference


def test_wrong_saved_model_is_found(copy):
    """`measure` itself, on a sample that another classifier might have made."""
    sample = bundled.stored(copy)
    probabilities = sample["probabilities"]
    changed = probabilities.copy()
    changed[-1, 0] += 0.25  # only the batch of all images sees it
    np.savez(copy / "sample.npz", **{**sample, "probabilities": changed})
    with pytest.raises(
        ValueError, match="saved_model serving_default 0.25, onnx serving_default 0.25. "
    ):
        parity.measure(copy, 0.2)
    np.savez(copy / "sample.npz", **{**sample, "probabilities": probabilities[:, :4]})
    with pytest.raises(
        ValueError, match="saved_model serving_default nan, onnx serving_default nan. "
    ):
        parity.measure(copy, 1e6)
    changed = sample["adapt/prototypes"] + 1
    np.savez(copy / "sample.npz", **{**sample, "adapt/prototypes": changed})
    with pytest.raises(ValueError, match=r"saved_model adapt [\d.]+, onnx adapt [\d.]+. Rounding"):
        parity.measure(copy, 1e-3)


@pytest.fixture
def new_process(monkeypatch):
    """Prove in a new process, as users do, and not in a copy of one that waits for the tests."""
    monkeypatch.setattr(parity, "subprocess", subprocess)


@pytest.mark.slow
@pytest.mark.usefixtures("new_process")
def test_a_new_process_finds_the_same(copy):
    found = parity.measure(copy, 1e-5)
    assert found == verify_bundle(copy)["parity"]["signatures"]


@pytest.mark.usefixtures("new_process")
def test_fresh_process_that_fails(copy, monkeypatch, tmp_path):
    for text in ("import keras", "import kmeta"):  # into verify.py, after its first lines
        script = tmp_path / "verify.py"
        source = parity._SCRIPT.read_text().replace("    import numpy as np\n", f"    {text}\n", 1)
        script.write_text(source)
        with (
            monkeypatch.context() as patch,
            pytest.raises(RuntimeError, match="import of k") as error,
        ):
            patch.setattr(parity, "_SCRIPT", script)
            parity.measure(copy, 1.0)
        assert "no bundle was written (exit status 1)" in str(error.value)


KILLED = """
import os, signal, sys, keras, kmeta
from kmeta import Classifier, PrototypicalNetwork, layers
from kmeta.exporting import parity
parity.measure = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
classifier = keras.models.load_model(sys.argv[1])
kmeta.export(classifier, sys.argv[2], overwrite=True)
"""


@pytest.mark.slow
def test_killed_export_leaves_the_old_bundle(classifier, copy, tmp_path):
    classifier.save(tmp_path / "classifier.keras")
    before = files(copy)
    root = pathlib.Path(kmeta.__file__).parents[1]
    process = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "classifier.keras", copy],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    (abandoned,) = tmp_path.glob(".bundle.*.tmp")
    assert (abandoned / "classifier.onnx").is_file()  # it was on its way
    assert files(copy) == before
    load_bundle(copy)


def test_arguments_that_are_refused(classifier, images, tmp_path):
    path = tmp_path / "bundle"
    for arguments, text in [
        ((classifier.learner, path), r"Received: a learner, PrototypicalNetwork; adapt it to"),
        ((keras.Sequential(), path), r"`classifier` must be a `kmeta.Classifier`.*: Sequential$"),
        ((classifier, None), r"`directory` must be a path. Received: directory=None"),
        ((classifier, path, images[:, :14]), r"\[n, 28, 28, 1\], n at .*=\(7, 14, 28, 1\)"),
        ((classifier, path, images[:0]), r"`sample` must have the shape \[n, 28, 28, 1\], n at le"),
        ((classifier, path, images * np.nan), r"`sample` must be finite. Received: NaN"),
        ((classifier, path, None, False, 0), r"`tolerance` must be a positive.*tolerance=0$"),
        ((classifier, path, None, False, True), r"`tolerance` .* Received: tolerance=True$"),
        ((classifier, path, None, False, float("nan")), r"`tolerance` .*tolerance=nan$"),
    ]:
        with pytest.raises(ValueError, match=text):
            kmeta.export(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_classifier_that_diverged(images, tmp_path):
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(4))
    classifier = learner.adapt(images[:2], [0, 1])
    classifier.weights[0].assign(classifier.weights[0] * np.nan)
    with pytest.raises(ValueError, match="must give finite probabilities .* NaN or infinity"):
        kmeta.export(classifier, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_network_without_a_config(tmp_path):
    """The manifest does without; the bundle is as good. And a single image makes a batch of two."""

    class Own(keras.Model):
        def __init__(self, parts):
            super().__init__()
            self.parts = parts

        def call(self, x):
            return keras.ops.reshape(self.parts[0](x), (-1, 8 * 8 * 2))

    learner = kmeta.PrototypicalNetwork(Own([keras.layers.Conv2D(2, 3, padding="same")]))
    images = np.random.default_rng(0).random((2, 8, 8, 3))
    classifier = learner.adapt(images, [0, 1])
    kmeta.export(classifier, tmp_path / "bundle", sample=(images[:1] * 255).astype("uint8"))
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert manifest["learner"] == {"class_name": "kmeta>PrototypicalNetwork", "config": None}
    sample = bundled.stored(tmp_path / "bundle")
    assert sample["images"].shape == (2, 8, 8, 3)
    assert sample["images"].dtype == np.uint8
    np.testing.assert_allclose(
        load_bundle(tmp_path / "bundle").predict(images),
        endpoints.reference(classifier, images.astype("float32")),
        atol=2e-6,
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float64", "mixed_bfloat16"])
def test_numbers_that_onnx_runtimes_do_not_have(images, tmp_path, dtype):
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(2, dtype=dtype), dtype=dtype)
    classifier = learner.adapt(images[:2], [0, 1])
    with pytest.raises(ValueError, match="in float32, .*computes in b?float(16|64); "):
        kmeta.export(classifier, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())
