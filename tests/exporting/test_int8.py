"""Bundles in 8-bit integers: what is in the files, what they cost, and when they are refused."""

import json
import math

import bundled
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from specimens import METRIC

import kmeta
from kmeta.exporting import (
    Int8,
    endpoints,
    int8,
    load_bundle,
    onnx_model,
    quantizer,
    verify_bundle,
)


@pytest.fixture(scope="module")
def characters():
    return kmeta.data.load("glyphs", "test")


@pytest.fixture(scope="module")
def halves(characters):
    """Episodes to calibrate with and to score with, of other characters."""
    names = characters.class_names
    return (
        kmeta.Episodes(characters.subset(names[:30]), query=1, steps=10),
        kmeta.Episodes(characters.subset(names[30:]), query=5, steps=60),
    )


@pytest.fixture(scope="module")
def trained(characters):
    """A classifier that has learned a little, with Conv-4-64."""
    keras.utils.set_random_seed(0)
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4())
    learner.compile(keras.optimizers.Adam(2e-3))
    learner.fit(kmeta.Episodes(characters, way=5, shot=1, query=3, steps=40), verbose=0)
    return learner.adapt(characters.images[:100:20], ["a", "b", "c", "d", "e"])


@pytest.fixture(scope="module")
def exported(trained, halves, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "bundle"
    return kmeta.export(trained, path, quantize=Int8(*halves)), path


def write_float(classifier, folder):
    """The ONNX files and the sample of a bundle, without its proof."""
    folder.mkdir()
    for name, endpoint in endpoints.graphs(classifier).items():
        onnx_model.save(endpoint, str(folder / f"{name}.onnx"), {"kmeta.test": "kept"})
    images = np.random.default_rng(0).integers(0, 256, (4, *classifier.image_shape), dtype="uint8")
    np.savez(folder / "sample.npz", images=images)
    return folder


@pytest.fixture(scope="module")
def float_files(trained, tmp_path_factory):
    return write_float(trained, tmp_path_factory.mktemp("float") / "folder")


@pytest.fixture
def unproved(monkeypatch):
    """Leave out the fresh process, which the shared bundle has gone through."""
    found = {"saved_model": {}, "onnx": {"serving_default": 0.0}}
    monkeypatch.setattr(int8.parity, "measure", lambda folder, tolerance: found)


def run(path, **given):
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def test_what_is_in_a_bundle(exported):
    """It is for devices: no SavedModel, and weights once, in bytes."""
    path = exported[1]
    assert {p.name for p in path.iterdir()} == {
        *("classifier.onnx", "adapt.onnx", "classify.onnx", "resize.onnx"),
        *("sample.npz", "state.npz", "manifest.json"),
    }
    manifest = verify_bundle(path)
    assert set(manifest["signatures"]) == set(bundled.models(path).names)


def test_the_report_and_the_manifest(exported, trained, halves):
    report, path = exported
    manifest = json.loads((path / "manifest.json").read_text())
    found = manifest["quantization"]
    assert found["accuracy"] == report.quantization.accuracy
    accuracy = found["accuracy"]
    assert 0.5 < accuracy["float"] < 1
    score = kmeta.evaluate(trained.learner, halves[1], verbose=0)
    assert accuracy["float"] == pytest.approx(score.accuracy, abs=1e-3)  # the same episodes
    assert found["episodes"] == score.manifest
    assert 100 * (accuracy["float"] - accuracy["int8"]) == report.quantization.drop <= 1
    assert 0 < accuracy["interval"] < 0.02
    assert found["calibration_images"] == 100
    assert found["max_drop"] == 1.0
    assert found["reduce_range"] == int8.needs_reduced_range()
    size = found["size"]
    assert size["int8"] == sum(file.stat().st_size for file in path.glob("*.onnx"))
    assert size["float"] > 3 * size["int8"]
    assert all(0.01 < found["latency"][kind] < 100 for kind in ("float", "int8"))
    assert manifest["parity"]["onnx"] < 1e-5  # of the float files
    text = str(report)
    for part in (
        f"{100 * accuracy['float']:.2f} %",
        f"{100 * accuracy['int8']:.2f} %",
        f"{size['int8'] / 1e3:.0f} kB",
        f"{found['latency']['int8']:.3f} ms",
    ):
        assert part in text


def test_differences_are_those_of_the_files(exported, trained, halves):
    path = exported[1]
    found = json.loads((path / "manifest.json").read_text())["quantization"]
    sample = bundled.stored(path)
    queries = halves[1][0][0].query_x[0][:8][[0, 3, 7]]
    np.testing.assert_array_equal(sample["images"], np.round(queries * 255))
    np.testing.assert_allclose(sample["probabilities"], trained(sample["images"]), atol=1e-5)
    answers = load_bundle(path).predict(sample["images"])
    difference = np.abs(answers - sample["probabilities"]).max()
    assert 1e-4 < difference < 0.1
    assert found["differences"]["serving_default"] == pytest.approx(difference, rel=1e-3)
    assert found["tolerance"] == pytest.approx(1e-3 + 2 * difference, rel=1e-3)
    images = sample["images"] / np.float32(255)
    embedded = run(path / "classifier.onnx", images=images)["embeddings"]
    expected = np.asarray(trained.learner.network(images))
    error = np.abs(embedded - expected).max() / np.abs(expected).max()
    assert 1e-4 < error < 0.05


def layers(graph, kind="Conv"):
    """`(node, node that makes its kernel, nodes that take its output)` of each layer."""
    makers = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type == kind and node.input[1] in makers:
            takers = [taker for taker in graph.node if node.output[0] in taker.input]
            yield node, makers[node.input[1]], takers


def test_layers_are_folded_and_quantised_by_channel(exported):
    graph = onnx.load(exported[1] / "classifier.onnx").graph
    values = {x.name: onnx.numpy_helper.to_array(x) for x in graph.initializer}
    found = list(layers(graph))
    assert len(found) == 4
    for node, kernel, takers in found:
        assert [taker.op_type for taker in takers] == ["QuantizeLinear"]  # no Mul, no Add
        assert kernel.op_type == "DequantizeLinear"
        weights, scale = values[kernel.input[0]], values[kernel.input[1]]
        assert weights.dtype == np.int8
        assert scale.shape == (64,) == weights.shape[:1]
        assert len(set(scale.tolist())) > 32  # a scale of its own
        assert node.input[0].endswith("DequantizeLinear_Output")
    assert sum(x.nbytes for x in values.values() if x.dtype == np.float32) < 20_000


def test_all_files_embed_alike(exported, characters):
    """So that classes learned on the device and classes of the export can be compared."""
    images = characters.images[:60:20] / np.float32(255)
    path = exported[1]
    models, support = bundled.models(path), {"support_labels": np.arange(3)}
    embedded = models.run("embed", {"images": images})["embeddings"]
    state = models.run("adapt", {"support_images": images, **support})
    np.testing.assert_allclose(state["prototypes"], embedded, atol=1e-6)
    by_state = models.run("classify", {"queries": images, **state})["probabilities"]
    at_once = models.run("episode", {"queries": images, "support_images": images, **support})
    np.testing.assert_allclose(at_once["probabilities"], by_state, atol=1e-5)


def test_settings_can_still_be_replaced(trained, characters, tmp_path):
    """They have become part of no other constant."""
    images = characters.images[:40] / np.float32(255)
    endpoint = endpoints.graphs(trained.with_options(temperature=4.0))["classifier"]
    onnx_model.save(endpoint, str(tmp_path / "float.onnx"), {})
    quantizer.quantize(tmp_path / "float.onnx", tmp_path / "made.onnx", [{"images": images}], True)
    options, value = onnxruntime.SessionOptions(), np.array(2.0, "float32")
    held = onnxruntime.OrtValue.ortvalue_from_numpy(value)
    options.add_initializer("temperature", held)
    session = onnxruntime.InferenceSession(tmp_path / "made.onnx", options)
    (found,) = session.run(["probabilities"], {"images": images})
    plain = run(tmp_path / "made.onnx", images=images)["probabilities"]
    expected = plain**2 / (plain**2).sum(-1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - plain).max() > 0.02


def test_files_keep_what_belongs_to_them(float_files, tmp_path, characters):
    images = characters.images[:20] / np.float32(255)
    for stem, given in (("classifier", {"images": images}),):
        quantizer.quantize(float_files / f"{stem}.onnx", tmp_path / "made.onnx", [given], True)
        before, after = onnx.load(float_files / f"{stem}.onnx"), onnx.load(tmp_path / "made.onnx")
        for field in ("input", "output"):
            assert list(getattr(after.graph, field)) == list(getattr(before.graph, field))
        for field in ("metadata_props", "opset_import"):
            assert list(getattr(after, field)) == list(getattr(before, field))
        assert (after.producer_name, after.graph.name) == ("kmeta", "classifier")


def kernels_and_scale(path):
    """Largest number in a kernel, and the scale of the first layer's input."""
    graph = onnx.load(path).graph
    values = {x.name: onnx.numpy_helper.to_array(x) for x in graph.initializer}
    found = list(layers(graph))
    largest = max(np.abs(values[kernel.input[0]].astype(int)).max() for _, kernel, _ in found)
    (scale,) = (node.input[1] for node in graph.node if found[0][0].input[0] in node.output)
    return largest, float(values[scale])


def test_reduced_range_and_calibration(float_files, tmp_path, characters):
    images = characters.images[:40] / np.float32(255)
    found = {}
    for reduced, factor in ((False, 1.0), (True, 1.0), (False, 0.25)):
        batches = [{"images": factor * images[:20]}, {"images": images[20:] * 0}]
        quantizer.quantize(
            float_files / "classifier.onnx", tmp_path / "made.onnx", batches, reduced
        )
        found[reduced, factor] = kernels_and_scale(tmp_path / "made.onnx")
    assert found[False, 1.0][0] == 127
    assert found[True, 1.0][0] == 64
    assert found[False, 1.0][1] == pytest.approx(1 / 255)
    assert found[False, 0.25][1] == pytest.approx(0.25 / 255)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni\n", False),
        ("processor : 0\nflags : avx2 avx_vnni serialize\n", False),
        ("flags\t\t: fpu avx2 avx512f avx512bw\nbugs : avx_vnni\n", True),
        ("Features : fp asimd asimddp i8mm\n", True),
        (None, True),
    ],
)
def test_processors(tmp_path, text, needed):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert int8.needs_reduced_range(tmp_path / "cpuinfo") is needed


def faint(characters, **options):
    """Episodes of images that are nearly black all over."""
    images = (characters.images // 200).astype("uint8")
    labels, names = characters.labels, characters.class_names
    return kmeta.Episodes(kmeta.data.Dataset(images, labels, names, "faint"), **options)


@pytest.mark.slow
def test_bad_calibration_is_refused(trained, characters, halves, tmp_path, unproved):
    settings = Int8(faint(characters, query=1, steps=10), halves[1])
    with pytest.raises(
        ValueError,
        match=r"may lose max_drop=1 points .*; no bundle was written. Received: \d\d.\d\d % before"
        r", \d\d.\d\d % after, a fall of \d\d.\d\d points. Calibrate with images like those",
    ):
        kmeta.export(trained, tmp_path / "bundle", quantize=settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_options_of_int8_count(float_files, characters, halves, tmp_path, unproved):
    """What is refused above is let through where all may be lost; the range as it was asked."""
    import shutil

    for reduced, largest in ((True, 64), (False, 127)):
        folder = shutil.copytree(float_files, tmp_path / str(reduced))
        calibration = faint(characters, query=1, steps=2)
        found = int8.apply(Int8(calibration, halves[1], 100, reduced), folder)
        assert found.drop > 10
        assert (found.max_drop, found.reduce_range) == (100, reduced)
        assert kernels_and_scale(folder / "classifier.onnx")[0] == largest
        assert f"weights in {7 if reduced else 8} bits" in str(found)


LEARNERS = METRIC | {
    "dense": lambda filters: kmeta.PrototypicalNetwork(
        keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3 * filters, "relu")])
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_other_learners(name, characters, halves, tmp_path, unproved):
    keras.utils.set_random_seed(1)
    classifier = LEARNERS[name](8).adapt(characters.images[:80:20], np.arange(4))
    folder = write_float(classifier, tmp_path / "folder")
    found = int8.apply(Int8(halves[0], halves[1], max_drop=3), folder)
    assert abs(found.drop) <= 3
    images = characters.images[7:200:9] / np.float32(255)
    answers = run(folder / "classifier.onnx", images=images)["probabilities"]
    difference = np.abs(answers - np.asarray(classifier(images))).max()
    assert 1e-7 < difference < 0.1
    graph = onnx.load(folder / "classifier.onnx").graph
    kind = "MatMul" if name == "dense" else "Conv"
    kernels = [kernel for _, kernel, _ in layers(graph, kind)]
    assert {kernel.op_type for kernel in kernels} == {"DequantizeLinear"}
    assert len(kernels) == {"dense": 1, "relation": 6}.get(name, 4)


def test_networks_without_layers(characters, halves, tmp_path, unproved):
    learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
    folder = write_float(learner.adapt(characters.images[:40:20], [0, 1]), tmp_path / "folder")
    with pytest.raises(ValueError, match="network with convolutions or dense layers"):
        int8.apply(Int8(*halves), folder)


def test_arguments_that_are_refused(trained, halves, characters, pictures, tmp_path):
    small = kmeta.Episodes(kmeta.data.from_directory(pictures, size=16), query=1)
    sequences = kmeta.data.SequenceEpisodes(characters, way=5)
    for make, text in (
        (lambda: Int8(characters, halves[1]), r"`calibration` must be kmeta.Episodes. .*: Dataset"),
        (lambda: Int8(halves[0], sequences), "`scored` must be kmeta.Episodes. .*: SequenceEpi"),
        (lambda: Int8(*halves, max_drop=-1), "from 0 to 100. Received: max_drop=-1"),
        (lambda: Int8(*halves, max_drop=math.nan), "Received: max_drop=nan"),
        (lambda: Int8(*halves, max_drop=True), "Received: max_drop=True"),
        (lambda: Int8(*halves, reduce_range="yes"), "None. Received: reduce_range='yes'"),
    ):
        with pytest.raises(ValueError, match=text):
            make()
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    maml = kmeta.MAML(network).adapt(characters.images[:40:20], [0, 1])
    for classifier, quantize, text in (
        (trained, "int8", "must be a `kmeta.exporting.Int8`. Received: 'int8'"),
        (maml, Int8(*halves), "needs a metric learner .* Received: a classifier of MAML"),
        (trained, Int8(small, halves[1]), r"`calibration` must have images of \(28, 28, 1\), .*"),
        (trained, Int8(halves[0], small), r"`scored` must .*Received: \(16, 16, \d\)"),
    ):
        with pytest.raises(ValueError, match=text):
            kmeta.export(classifier, tmp_path / "bundle", quantize=quantize)
    assert list(tmp_path.iterdir()) == []
