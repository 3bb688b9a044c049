"""The package for devices: the same numbers as kmeta, also of classes that it learned itself."""

import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tracemalloc
import zipfile

import broken_manifests
import bundled
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from kmeta_edge import FewShotClassifier, arrays, bench, pictures
from kmeta_edge.bundle import fingerprint
from kmeta_edge.decoding import decode
from PIL import Image
from quick_cases import others_slow
from specimens import METRIC

import kmeta
from kmeta.cli import pictures as kmeta_pictures
from kmeta.exporting import Int8, load_bundle

from .conftest import adapt

EDGE = pathlib.Path(kmeta.__file__).parents[1] / "serving" / "edge"


@pytest.mark.parametrize("name", others_slow(METRIC, ["prototypical"]))
def test_classes_learned_on_the_device_equal_adapting_in_kmeta(name, exported, support, tmp_path):
    learner, path = exported(name)
    images, queries = support
    classifier = FewShotClassifier.load(path)
    assert classifier.class_names == ["ant", "bee", "cat"]

    def equals(*names):
        assert classifier.class_names == list(names)
        expected = np.asarray(adapt(learner, images, list(names))(queries))
        assert np.ptp(expected, axis=0).max() > 1e-3
        np.testing.assert_allclose(classifier.predict(queries), expected, atol=1e-5)
        return expected

    equals("ant", "bee", "cat")
    classifier.add_class("dog", images["dog"])
    equals("ant", "bee", "cat", "dog")
    classifier.save(tmp_path / "grown")
    classifier.remove_class("bee")
    equals("ant", "cat", "dog")
    classifier.add_class("bee", images["bee"])
    expected = equals("ant", "cat", "dog", "bee")
    labels, scores = classifier.label(queries)
    assert labels == [classifier.class_names[i] for i in expected.argmax(-1)]
    np.testing.assert_allclose(scores, expected.max(-1), atol=1e-5)

    classifier = FewShotClassifier.load(tmp_path / "grown")
    expected = equals("ant", "bee", "cat", "dog")
    np.testing.assert_allclose(
        load_bundle(tmp_path / "grown").predict(queries), expected, atol=1e-5
    )
    classifier.remove_class("ant")
    classifier.save(tmp_path / "grown", overwrite=True)  # over what it was loaded from
    classifier = FewShotClassifier.load(tmp_path / "grown")
    equals("bee", "cat", "dog")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grown"]


def test_what_is_saved(bundle, support, tmp_path):
    images, queries = support
    classifier = FewShotClassifier.load(bundle)
    classifier.save(tmp_path / "same")
    assert (tmp_path / "same" / "classifier.onnx").exists()
    assert not (tmp_path / "same" / "saved_model").exists()
    expected = classifier.predict(queries)
    np.testing.assert_array_equal(
        FewShotClassifier.load(tmp_path / "same").predict(queries), expected
    )
    np.testing.assert_array_equal(load_bundle(tmp_path / "same").predict(queries), expected)
    classifier.add_class("dög", images["dog"])
    classifier.save(tmp_path / "grown")
    assert not (tmp_path / "grown" / "classifier.onnx").exists()
    manifest = json.loads((tmp_path / "grown" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["class_names"] == ["ant", "bee", "cat", "dög"]
    assert manifest["output"]["shape"] == ["batch", 4]
    served = {"serving_default", "serving_raw"}
    assert set(manifest["signatures"]) == {*served, "embed", "adapt", "classify", "episode"}
    with pytest.raises(ValueError, match=r"pass `overwrite=True` \(--overwrite\)"):
        classifier.save(tmp_path / "grown")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").touch()
    with pytest.raises(ValueError, match="holds no manifest.json of a bundle"):
        classifier.save(tmp_path / "other", overwrite=True)


def test_images_of_every_kind(bundle, support):
    classifier = FewShotClassifier.load(bundle, threads=1)
    pixels = (support[1] * 255).astype("uint8")
    expected = load_bundle(bundle).predict(pixels)
    np.testing.assert_allclose(classifier.predict(pixels), expected, atol=1e-6)
    np.testing.assert_allclose(classifier.predict(pixels / 255), expected, atol=1e-6)
    many = np.concatenate([pixels] * 60)  # more than one batch
    np.testing.assert_allclose(classifier.predict(many), np.concatenate([expected] * 60), atol=1e-6)
    for images, text in (
        (pixels[0], r"shape \[n, 28, 28, 1\], n at least 1. Received: images.shape=\(28, 28, 1\)"),
        (pixels[:0], r"n at least 1. Received: images.shape=\(0, 28, 28, 1\)"),
        (pixels.astype(str), "must hold floats in .* or uint8. Received: images.dtype=<U"),
        (pixels.astype("int64"), "must hold floats in .* or uint8. Received: images.dtype=int64"),
        (np.full((1, 28, 28, 1), np.nan), "must be finite"),
    ):
        with pytest.raises(ValueError, match=text):
            classifier.predict(images)
        with pytest.raises(ValueError, match=text):
            classifier.add_class("new", images)
    assert classifier.class_names == ["ant", "bee", "cat"]


def test_names_that_are_refused(bundle, support):
    classifier = FewShotClassifier.load(bundle)
    images = support[0]["dog"]
    for name, text in (
        ("ant", "must be a new class. Received: 'ant', a known one"),
        ("unknown", "must be a text other than 'unknown'"),
        ("two\nlines", r"without control characters and surrogates. Received: 'two\\nlines'"),
    ):
        with pytest.raises(ValueError, match=text):
            classifier.add_class(name, images)
    with pytest.raises(ValueError, match=r"one of \['ant', 'bee', 'cat'\]. Received: 'dog'"):
        classifier.remove_class("dog")
    classifier.remove_class("bee")
    with pytest.raises(ValueError, match="Two classes must remain"):
        classifier.remove_class("ant")
    assert classifier.class_names == ["ant", "cat"]


def test_unknown_images(exported, support, tmp_path):
    learner, _ = exported("prototypical")
    images, queries = support
    made = adapt(learner, images, ["ant", "bee", "cat"])
    score = made.predict(queries, verbose=0).max(-1)
    made = made.with_options(threshold=float(np.median(score)))
    kmeta.export(made, tmp_path / "bundle")
    classifier = FewShotClassifier.load(tmp_path / "bundle")
    classifier.add_class("dog", images["dog"])  # the temperature is in `classify` too
    grown = adapt(learner, images, ["ant", "bee", "cat", "dog"])
    np.testing.assert_allclose(classifier.predict(queries), grown(queries), atol=1e-5)
    labels, scores = classifier.label(queries)
    assert classifier.threshold == made.threshold
    assert [x == "unknown" for x in labels] == [s < made.threshold for s in scores]
    np.testing.assert_allclose(scores, classifier.predict(queries).max(-1), atol=1e-6)
    classifier.threshold = 0.0
    assert "unknown" not in classifier.label(queries)[0]
    classifier.threshold = 1.0
    assert classifier.label(queries)[0] == ["unknown"] * len(queries)


def test_a_changed_threshold_is_kept(bundle, support, tmp_path):
    classifier = FewShotClassifier.load(bundle)
    classifier.add_class("dog", support[0]["dog"])
    assert classifier.threshold == 0
    for threshold in (float("nan"), 1.5, "0.5", None):
        classifier.threshold = threshold
        with pytest.raises(ValueError, match="`threshold` must be from 0 to 1. Received: "):
            classifier.save(tmp_path / "grown")
    classifier.threshold = np.float32(0.75)
    classifier.save(tmp_path / "grown")
    assert FewShotClassifier.load(tmp_path / "grown").threshold == 0.75
    assert load_bundle(tmp_path / "grown").threshold == 0.75
    kept = json.loads((bundle / "manifest.json").read_text())["rejection"]
    found = json.loads((tmp_path / "grown" / "manifest.json").read_text())["rejection"]
    assert found == {**kept, "threshold": 0.75}


def test_models_of_a_grown_bundle_name_no_old_classes(bundle, support, tmp_path):
    classifier = FewShotClassifier.load(bundle)
    classifier.add_class("dog", support[0]["dog"])
    classifier.save(tmp_path / "grown")
    files = list((tmp_path / "grown").glob("*.onnx"))
    assert {file.stem for file in files} == {"embed", "adapt", "classify", "resize"}
    for file in files:
        metadata = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
        names = json.dumps(["ant", "bee", "cat", "dog"]) if file.stem == "embed" else None
        assert metadata.get("kmeta.class_names") == names
        assert metadata["kmeta.unknown"] == "unknown"
    for names in (["dog", "cat", "bee", "ant"], ["ant", "bee", "cat", "cow"]):
        rewrite(tmp_path / "grown", class_names=names)
        with pytest.raises(ValueError, match="names in manifest.json are not those in embed.onnx"):
            FewShotClassifier.load(tmp_path / "grown")
    (output,) = onnxruntime.InferenceSession(tmp_path / "grown" / "embed.onnx").get_outputs()
    assert output.name == "embeddings"  # nothing that old classes could be read from


def test_a_relative_path_is_that_at_loading(bundle, support, tmp_path, monkeypatch):
    monkeypatch.chdir(bundle.parent)
    classifier = FewShotClassifier.load(bundle.name)
    monkeypatch.chdir("/")
    classifier.add_class("dog", support[0]["dog"])
    classifier.save(tmp_path / "grown")


def test_saving_twice_over_the_loaded_bundle(bundle, support):
    classifier = FewShotClassifier.load(bundle)
    for name in ("dog", "eel"):
        classifier.add_class(name, support[0]["dog"])
        classifier.save(bundle, overwrite=True)
    assert FewShotClassifier.load(bundle).class_names == classifier.class_names
    assert classifier.check_sample() < 1e-5


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A learner, an int8 bundle of three of its classes, and pictures of four."""
    characters = kmeta.data.load("glyphs", "val")
    keras.utils.set_random_seed(0)
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(16))
    learner.compile(keras.optimizers.Adam(3e-3))
    learner.fit(kmeta.Episodes(characters, way=5, shot=1, query=3, steps=30), verbose=0)
    names = characters.class_names
    images = {name: characters.images[20 * k : 20 * k + 3] for k, name in enumerate(names[:4])}
    path = tmp_path_factory.mktemp("int8") / "bundle"
    other = characters.subset(names[4:])
    calibration, scored = (kmeta.Episodes(other, query=q, steps=20) for q in (1, 5))
    settings = Int8(calibration, scored, max_drop=5)
    classifier = adapt(learner, images, list(names[:3])).with_options(temperature=1.0)
    kmeta.export(classifier, path, quantize=settings)
    return learner, path, images, characters.images[3:80:4]


@pytest.mark.slow
def test_int8_bundles_grow(small, tmp_path):
    """As adapting in kmeta, but for the rounding that the manifest states."""
    learner, path, images, queries = small
    tolerance = json.loads((path / "manifest.json").read_text())["quantization"]["tolerance"]
    names = list(images)
    classifier = FewShotClassifier.load(path)
    assert 1e-3 < tolerance < 0.1
    assert 0 < classifier.check_sample() < tolerance

    def close(*wanted):
        adapted = adapt(learner, images, list(wanted)).with_options(temperature=1.0)
        expected = adapted.predict(queries, verbose=0)
        assert np.ptp(expected, axis=0).max() > 0.1
        found = classifier.predict(queries)
        assert 1e-5 < np.abs(found - expected).max() < 0.03
        assert (found.argmax(-1) == expected.argmax(-1)).mean() >= 0.9

    close(*names[:3])
    classifier.add_class(names[3], images[names[3]])
    close(*names)
    classifier.save(tmp_path / "grown")
    expected = classifier.predict(queries)
    classifier = FewShotClassifier.load(tmp_path / "grown")
    np.testing.assert_allclose(classifier.predict(queries), expected, atol=1e-6)
    classifier.remove_class(names[1])
    close(names[0], *names[2:])


@pytest.mark.slow
def test_int8_sample_is_held_to_the_manifest(small, tmp_path):
    path = shutil.copytree(small[1], tmp_path / "bundle")
    stated = json.loads((path / "manifest.json").read_text())["quantization"]
    rewrite(path, quantization={**stated, "tolerance": 1e-6})
    with pytest.raises(ValueError, match="does not say of its sample what it said"):
        FewShotClassifier.load(path)


def test_learners_that_cannot_grow(support, tmp_path):
    images = support[0]["cat"]
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    kmeta.export(kmeta.MAML(network).adapt(images[:2], [0, 1]), tmp_path / "bundle")
    classifier = FewShotClassifier.load(tmp_path / "bundle")
    with pytest.raises(ValueError, match="This bundle's classes are fixed: its learner adapts by"):
        classifier.add_class("new", images)
    classifier.save(tmp_path / "copy")
    FewShotClassifier.load(tmp_path / "copy")


def rewrite(path, **changes):
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (path / "manifest.json").write_text(json.dumps({**manifest, **changes}), encoding="utf-8")
    return manifest


def test_damage_is_refused(bundle):
    model = bundle / "classifier.onnx"
    data = model.read_bytes()
    model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(
        ValueError, match=r"is damaged: classifier.onnx has changed .* other content"
    ):
        FewShotClassifier.load(bundle)
    model.write_bytes(data[:1000])
    with pytest.raises(
        ValueError, match=rf"classifier.onnx has .*\(1000 bytes instead of {len(data)}"
    ):
        FewShotClassifier.load(bundle)
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    manifest = rewrite(bundle, files={**files, "classifier.onnx": fingerprint(model)})
    with pytest.raises(ValueError, match=r"is damaged: classifier.onnx cannot be loaded \(.*\)$"):
        FewShotClassifier.load(bundle)
    model.unlink()
    with pytest.raises(ValueError, match="is damaged: classifier.onnx is missing"):
        FewShotClassifier.load(bundle)
    model.write_bytes(data)
    rewrite(bundle, files=manifest["files"], class_names=["cat", "bee", "ant"])
    with pytest.raises(ValueError, match="class names in manifest.json are not those in classifi"):
        FewShotClassifier.load(bundle)


def test_a_bundle_in_use_needs_its_folder_no_more(bundle, support, tmp_path):
    """Whatever becomes of its files, they are neither used nor passed on."""
    classifier = FewShotClassifier.load(bundle)
    expected = classifier.predict(support[1])
    shutil.rmtree(bundle)
    np.testing.assert_array_equal(classifier.predict(support[1]), expected)
    classifier.add_class("dog", support[0]["dog"])
    classifier.save(tmp_path / "copy")
    assert FewShotClassifier.load(tmp_path / "copy").class_names[-1] == "dog"


def rehash(path, *names):
    """Write the right hashes of changed files into the manifest."""
    files = json.loads((path / "manifest.json").read_text())["files"]
    rewrite(path, files={**files, **{name: fingerprint(path / name) for name in names}})


def external(content):
    """A model one of whose numbers are in another file, beside it."""
    model = onnx.load_from_string(content)
    tensor = max(model.graph.initializer, key=lambda x: len(x.raw_data))
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("length", str(len(data)))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model.SerializeToString(), data


@pytest.mark.parametrize("listed", [False, True])
def test_models_that_read_other_files_are_refused(bundle, listed, monkeypatch):
    """In the bundle or in the working directory."""
    content, data = external((bundle / "classifier.onnx").read_bytes())
    (bundle / "classifier.onnx").write_bytes(content)
    (bundle / "weights.bin").write_bytes(data)
    monkeypatch.chdir(bundle)
    onnxruntime.InferenceSession(content)  # it would be read
    rehash(bundle, "classifier.onnx", *(["weights.bin"] if listed else []))
    with pytest.raises(ValueError, match="classifier.onnx cannot be loaded .it reads its numbers "):
        FewShotClassifier.load(bundle)


def test_names_outputs_and_state_are_of_the_same_classes(bundle, exported, tmp_path):
    """With every hash right, and the manifest of one class less."""
    sound = json.loads((bundle / "manifest.json").read_text())
    fewer = {"class_names": ["ant", "bee"], "output": {**sound["output"], "shape": ["batch", 2]}}
    rewrite(bundle, class_names=["ant", "bee"])
    with pytest.raises(ValueError, match="class_names cannot be used"):
        FewShotClassifier.load(bundle)
    rewrite(bundle, **fewer)
    with pytest.raises(ValueError, match="state.npz has 3 classes, manifest.json names 2"):
        FewShotClassifier.load(bundle)
    with np.load(bundle / "state.npz") as file:
        rows = dict(file)
    for state, text in (
        ({n: x[:2] for n, x in rows.items()}, "class names in manifest.json are not those in clas"),
        ({n: x * np.nan for n, x in rows.items()}, "its numbers are not finite"),
        ({**rows, "more": np.zeros(2)}, "do not have the same number of rows"),
        ({**rows, "labels": np.array([0, 0, 3])}, "its labels are not the integers from"),
    ):
        np.savez(bundle / "state.npz", **state)
        rehash(bundle, "state.npz")
        with pytest.raises(ValueError, match=text):
            FewShotClassifier.load(bundle)


def test_names_are_the_classifiers_own(bundle, support):
    """Who changes the list that he is given changes no answer."""
    classifier = FewShotClassifier.load(bundle)
    expected = classifier.label(support[1])
    classifier.class_names.append("dog")
    assert classifier.class_names == ["ant", "bee", "cat"]
    classifier.add_class("dog", support[0]["dog"])
    assert classifier.class_names == ["ant", "bee", "cat", "dog"]
    assert FewShotClassifier.load(bundle).label(support[1]) == expected
    for threshold in (float("nan"), -1, 2, "0.5", None, True):
        classifier.threshold = threshold
        with pytest.raises(ValueError, match="`threshold` must be from 0 to 1. Received"):
            classifier.label(support[1])
    classifier.threshold, classifier.unknown = 0.5, "dog"
    with pytest.raises(ValueError, match="no class may be called 'dog'"):
        classifier.label(support[1])


def test_arrays_are_bounded(bundle, monkeypatch):
    """Neither unpacked for nothing nor without a limit; a header is not believed."""
    sample = bundled.stored(bundle)
    np.savez_compressed(bundle / "sample.npz", **sample, unused=np.zeros(30 << 20, "uint8"))
    rehash(bundle, "sample.npz")
    tracemalloc.start()
    FewShotClassifier.load(bundle)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()
    monkeypatch.setattr(arrays, "LARGEST", 1000)
    with pytest.raises(ValueError, match="npz has arrays of 2796 bytes together, more"):
        FewShotClassifier.load(bundle)
    header = np.lib.format.header_data_from_array_1_0(np.zeros(3, "uint8"))
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {**header, "shape": (1 << 50,)})
    with zipfile.ZipFile(bundle / "sample.npz", "w") as file:
        file.writestr("images.npy", member.getvalue())
    rehash(bundle, "sample.npz")
    with pytest.raises(ValueError, match="images.npy holds no numbers, or not as many as it says"):
        FewShotClassifier.load(bundle)
    np.savez_compressed(bundle / "state.npz", **{f"a{i}": np.zeros(900, "uint8") for i in range(3)})
    rehash(bundle, "state.npz")  # each is small enough
    with pytest.raises(ValueError, match="state.npz has arrays of 3084 bytes together"):
        FewShotClassifier.load(bundle)
    (bundle / "manifest.json").write_text(" " * (17 << 20))
    with pytest.raises(ValueError, match="manifest.json' is damaged: it has more than 16777216 by"):
        FewShotClassifier.load(bundle)


def test_what_could_not_be_read_again_is_not_saved(bundle, support, tmp_path, monkeypatch):
    classifier = FewShotClassifier.load(bundle)
    size = sum(values.nbytes for values in classifier.known().values())
    monkeypatch.setattr(arrays, "LARGEST", size)
    with pytest.raises(ValueError, match=f"bytes together, more than {size}"):
        classifier.save(tmp_path / "saved")
    assert not list(tmp_path.glob("*saved*"))


def test_signatures_follow_the_classes(bundle, support):
    """`run` as `answers`, also of classes that were learned here."""
    classifier = FewShotClassifier.load(bundle)
    classifier.add_class("dog", support[0]["dog"])
    described = classifier.signatures
    assert described["serving_default"]["outputs"]["probabilities"]["shape"] == ["batch", 4]
    assert described["classify"]["outputs"]["probabilities"]["shape"] == ["queries", "way"]
    pixels = (support[1] * 255).astype("uint8")
    probabilities, labels, scores = classifier.answers(pixels)
    for name, given in (
        ("serving_default", {"images": pixels / np.float32(255)}),
        ("serving_raw", {"raw_images": pixels}),
    ):
        found = classifier.run(name, given)
        np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-6)
        np.testing.assert_allclose(found["score"], scores, atol=1e-6)
        assert found["label"].tolist() == labels


def test_a_sample_that_is_none(bundle):
    """Its hash is right."""
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    for content, text in ((b"PK", "has no arrays"), (None, "lacks arrays")):
        if content is None:
            np.savez(bundle / "sample.npz", images=np.zeros(3))
        else:
            (bundle / "sample.npz").write_bytes(content)
        rewrite(bundle, files={**files, "sample.npz": fingerprint(bundle / "sample.npz")})
        with pytest.raises(ValueError, match=f"is damaged: sample.npz {text}"):
            FewShotClassifier.load(bundle)


def test_another_model_fails_the_sample(bundle, exported):
    """Every hash is right, but the answers are not those of the export."""
    sample = bundled.stored(bundle)
    sample["probabilities"] = np.roll(sample["probabilities"], 1, axis=1)
    np.savez(bundle / "sample.npz", **sample)
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    rewrite(bundle, files={**files, "sample.npz": fingerprint(bundle / "sample.npz")})
    with pytest.raises(ValueError, match="does not say of its sample what it said .* differ by 0"):
        FewShotClassifier.load(bundle)


def test_what_the_export_allowed_is_allowed_on_loading(bundle):
    sample = bundled.stored(bundle)
    sample["probabilities"] = sample["probabilities"] + np.float32(0.01) * np.eye(1, 3)
    np.savez(bundle / "sample.npz", **sample)
    manifest = json.loads((bundle / "manifest.json").read_text())
    files = {**manifest["files"], "sample.npz": fingerprint(bundle / "sample.npz")}
    rewrite(bundle, files=files, parity={**manifest["parity"], "tolerance": 0.02})
    assert FewShotClassifier.load(bundle).check_sample() == pytest.approx(0.01, abs=1e-4)
    rewrite(bundle, files=files, parity={**manifest["parity"], "tolerance": 0.005})
    with pytest.raises(ValueError, match=r"does not say of its sample .* differ by 0.01"):
        FewShotClassifier.load(bundle)


def test_manifests_that_are_refused(bundle, tmp_path):
    text = (bundle / "manifest.json").read_text()
    for changes, message in (
        ({"format_version": 4}, "has bundle format 4, .* reads 3: install a newer version"),
        ({"format_version": 2}, "has bundle format 2, .* reads 3: export it again"),
        ({"format": "zip"}, "is not the manifest of a kmeta bundle"),
        ({"rejection": None}, "is damaged: it lacks rejection"),
    ):
        (bundle / "manifest.json").write_text(text)
        rewrite(bundle, **changes)
        with pytest.raises(ValueError, match=message):
            FewShotClassifier.load(bundle)
    for damaged in (text[:99], "[" * 100000):
        (bundle / "manifest.json").write_text(damaged)
        with pytest.raises(ValueError, match="manifest.json' is damaged: "):
            FewShotClassifier.load(bundle)
    with pytest.raises(ValueError, match="Received: '.*none', which is not a folder"):
        FewShotClassifier.load(tmp_path / "none")
    with pytest.raises(ValueError, match="which has no manifest.json"):
        FewShotClassifier.load(tmp_path)


@pytest.mark.parametrize(("key", "change"), broken_manifests.cases())
def test_manifests_that_cannot_be_used(bundle, key, change):
    """Among them those that leave a file out, whose hash would then not be compared."""
    rewrite(bundle, **change(json.loads((bundle / "manifest.json").read_text())))
    with pytest.raises(ValueError, match=f"manifest.json' is damaged: {key} cannot be used; names"):
        FewShotClassifier.load(bundle)


def test_pictures_are_read_as_kmeta_reads_them(tmp_path):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (40, 30, 4)).astype("uint8")
    image = Image.fromarray(pixels)
    for mode, suffix in (
        ("RGBA", "png"),
        ("LA", "png"),
        ("L", "png"),
        ("P", "png"),
        ("1", "png"),
        ("RGB", "jpg"),
        ("CMYK", "jpg"),
        ("L", "webp"),
        ("RGB", "gif"),
    ):
        path = tmp_path / f"{mode}.{suffix}"
        image.convert(mode).save(path)
    Image.fromarray(rng.integers(0, 65536, (40, 30)).astype("uint16")).save(tmp_path / "16.png")
    paths = sorted(tmp_path.iterdir())
    for shape in ((28, 28, 1), (40, 30, 3)):
        for invert in (False, True):
            found = pictures.read(paths, shape, invert)
            np.testing.assert_array_equal(found, kmeta_pictures.read(paths, shape, invert))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    for path, text in ((tmp_path / "bad.png", "Cannot read"), (tmp_path / "no.png", "No such")):
        with pytest.raises(ValueError, match=text):
            pictures.read([path], (28, 28, 1))
    with pytest.raises(ValueError, match="no pictures"):
        pictures.read(paths, (10,))


ALONE = """
import sys
for name in ("kmeta", "keras", "tensorflow", "onnx", "PIL"):
    sys.modules[name] = None
from kmeta_edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments, code=0, script=ALONE):
    """Run the command line where nothing but NumPy and onnxruntime can be imported."""
    process = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(EDGE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == code, process.stderr
    return process.stdout if code == 0 else process.stderr


def test_the_command_line(bundle, support, tmp_path):
    for name in ("dog", "ant"):
        pixels = (support[0][name] * 255).astype("uint8")[..., 0]
        for number, image in enumerate(pixels):
            Image.fromarray(image).save(tmp_path / f"{name}{number}.png")
    assert "whole, 3 classes, largest difference on its sample" in run("check", bundle)
    dogs = [tmp_path / "dog0.png", tmp_path / "dog1.png"]
    with_pictures = ALONE.replace(', "PIL"', "")
    grown = tmp_path / "grown"
    text = run("add", bundle, "dog", *dogs, "--out", grown, script=with_pictures)
    assert text == f"{grown}: 4 classes, the last is dog\n"
    again = ("add", bundle, "dog", *dogs, "--out", grown)
    assert "(--overwrite)" in run(*again, code=2, script=with_pictures)
    run(*again, "--overwrite", script=with_pictures)
    paths = [*dogs, tmp_path / "ant0.png"]
    rows = [x.split("\t") for x in run("predict", grown, *paths, script=with_pictures).splitlines()]
    classifier = FewShotClassifier.load(grown)
    labels, scores = classifier.label(pictures.read(paths, (28, 28, 1)))
    expected = zip(paths, labels, scores, strict=True)
    assert rows == [[str(p), label, f"{s:.4f}"] for p, label, s in expected]
    inverted = run("predict", grown, dogs[0], "--invert", script=with_pictures).split("\t")
    right = classifier.label(pictures.read(dogs[:1], (28, 28, 1), invert=True))
    assert inverted[1:] == [right[0][0], f"{right[1][0]:.4f}\n"]
    text = run("predict", grown, *dogs, "--threshold", "1", script=with_pictures)
    assert text.count("\tunknown\t") == 2


def test_mistakes_on_the_command_line(bundle, tmp_path):
    for arguments, text in (
        (["bench", tmp_path / "none"], "kmeta-edge: error: Expected the folder of a bundle"),
        (["check", tmp_path / "none"], "error: Expected the folder of a bundle"),
        (
            ["predict", bundle, bundle / "manifest.json"],
            "needs Pillow: pip install kmeta-edge[pictures]",
        ),
        (["predict", bundle, "x.png", "--threshold", "2"], "expected a number from 0 to 1"),
        (["bench", bundle, "--runs", "0"], "expected a whole number of at least 1"),
    ):
        assert text in run(*arguments, code=2)
    (bundle / "adapt.onnx").write_bytes(b"")
    error = run("check", bundle, code=2)
    assert error.startswith("kmeta-edge: error: The bundle ")
    assert error.count("\n") == 1


def test_bench_measures(exported):
    found = bench.measure(exported("prototypical")[1], runs=20)
    assert float(found["one image, median"].split()[0]) > 0
    assert float(found["ratio"]) > 0.5
    assert 20 < int(found["resident memory after it"].split()[0]) < 100


@pytest.mark.slow
def test_an_environment_without_tensorflow(bundle, tmp_path):
    """Installed as a user would; the size and the figures of the note are from here."""
    source = shutil.copytree(EDGE, tmp_path / "edge", ignore=shutil.ignore_patterns("*.egg-info"))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    bin_ = tmp_path / "venv" / "bin"
    subprocess.run([bin_ / "pip", "install", "-q", f"{source}[pictures]"], check=True)
    listed = subprocess.run([bin_ / "pip", "list"], check=True, capture_output=True, text=True)
    assert "tensorflow" not in listed.stdout.lower()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in ("check", "bench"):
        process = subprocess.run(
            [bin_ / "kmeta-edge", command, bundle],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        print(process.stdout)
    sizes = [p.stat().st_size for p in (tmp_path / "venv").rglob("*") if p.is_file()]
    print(f"environment: {sum(sizes) / 2**20:.0f} MiB")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_files_are_decoded_as_by_pillow_and_turned(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, len(mode)), "uint8")
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.fromarray(pixels).save(file, "WEBP", exif=exif)
    whole = Image.open(io.BytesIO(file.getvalue()))
    expected = np.asarray(whole.transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(np.asarray(decode(file.getvalue(), "a.webp")), expected)
