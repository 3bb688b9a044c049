"""What the signatures of a bundle do beside numbers: names, pictures, rejection, wrong input."""

import io
import json
import struct
import zlib

import bundled
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

import kmeta
from kmeta.cli import pictures
from kmeta.exporting import endpoints


@pytest.fixture(scope="module")
def model(exported):
    return tf.saved_model.load(str(exported[1] / "saved_model" / "1"))


def encode(pixels, kind="PNG", mode=None):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels.squeeze())
    image.convert(mode or image.mode).save(
        buffer, kind, **({} if kind == "PNG" else {"quality": 95})
    )
    return buffer.getvalue()


def test_signatures_and_files(exported, model):
    files = {p.name for p in exported[1].iterdir()}
    served = {"serving_default", "serving_bytes", "serving_raw"}
    assert set(model.signatures) == {*served, "embed", "adapt", "classify", "episode"}
    stems = {"classifier", "adapt", "classify", "resize"}
    assert {name for name in files if name.endswith("onnx")} == {f"{stem}.onnx" for stem in stems}
    assert "state.npz" in files
    assert set(bundled.models(exported[1]).names) == set(model.signatures) - {"serving_bytes"}


def test_class_names_travel_inside(exported, classifier):
    assets = exported[1] / "saved_model" / "1" / "assets" / "class_names.json"
    assert json.loads(assets.read_text(encoding="utf-8")) == classifier.class_names
    for stem in ("classifier", "adapt", "classify", "resize"):
        session = onnxruntime.InferenceSession(exported[1] / f"{stem}.onnx")
        metadata = session.get_modelmeta().custom_metadata_map
        if stem == "classifier":
            assert json.loads(metadata["kmeta.class_names"]) == classifier.class_names
        else:  # for any classes
            assert "kmeta.class_names" not in metadata


def test_state_is_that_of_the_classifier(exported, classifier):
    with np.load(exported[1] / "state.npz") as state:
        assert list(state) == ["prototypes"]
        np.testing.assert_allclose(state["prototypes"], classifier.state["prototypes"][0])


def test_labels_and_scores(exported, classifier, images, model):
    expected = classifier.predict(images, verbose=0)
    names = np.array(classifier.class_names)[expected.argmax(-1)].tolist()
    session = onnxruntime.InferenceSession(exported[1] / "classifier.onnx")
    label, score = session.run(["label", "score"], {"images": images})
    assert label.tolist() == names
    np.testing.assert_allclose(score, expected.max(-1), atol=1e-6)
    outputs = model.signatures["serving_default"](images=tf.constant(images))
    assert [x.decode() for x in outputs["label"].numpy()] == names
    np.testing.assert_allclose(outputs["score"], expected.max(-1), atol=1e-6)


def test_pictures_are_read_as_kmeta_reads_them(classifier, model, tmp_path):
    """To rounding; transparent and JPEG to one level of grey."""
    rng = np.random.default_rng(3)
    small = np.kron(rng.integers(0, 256, (7, 7)), np.ones((4, 4))).astype("uint8")
    large = np.kron(small, np.ones((3, 2))).astype("uint8")
    clear = np.stack([small, small, small, rng.integers(0, 256, (28, 28)).astype("uint8")], -1)
    data = {
        "grey.png": (encode(small), 0),
        "colour.png": (encode(small, mode="RGB"), 0),
        "transparent.png": (encode(clear), 1),
        "grey.jpg": (encode(small, "JPEG"), 1),
        "large.png": (encode(large), 0),
    }
    endpoint = endpoints.encoded.decode(tf.constant([d for d, _ in data.values()]), (28, 28, 1))
    for (name, (content, levels)), found in zip(data.items(), endpoint.numpy(), strict=True):
        (tmp_path / name).write_bytes(content)
        (expected,) = pictures.read([tmp_path / name], (28, 28, 1))
        assert np.abs(found - expected).max() * 255 <= levels + 1e-3, name
    encoded = tf.constant([data["grey.png"][0], data["transparent.png"][0]])
    outputs = model.signatures["serving_bytes"](image_bytes=encoded)
    pixels = pictures.read([tmp_path / "grey.png", tmp_path / "transparent.png"], (28, 28, 1))
    np.testing.assert_allclose(outputs["probabilities"], classifier(pixels), atol=0.02)
    np.testing.assert_allclose(outputs["probabilities"][0], classifier(pixels)[0], atol=1e-6)


def low_depth_files():
    """PNG files of fewer than 8 bits, as pairs of a name and content."""
    shades = (np.arange(28 * 28).reshape(28, 28) // 3).astype("uint8")

    def save(image, **options):
        buffer = io.BytesIO()
        image.save(buffer, "PNG", **options)
        return buffer.getvalue()

    yield "two values", save(Image.fromarray(shades % 2 * 255).convert("1"))
    for bits in (1, 2, 4):
        count = 2**bits
        image = Image.fromarray(shades % count)
        image.putpalette([x for i in range(count) for x in (7 + 240 * i // count, 200 - i, 15 * i)])
        yield f"palette of {bits} bits", save(image)
        yield f"transparent palette of {bits} bits", save(image, transparency=b"\0\x40\xa0"[:count])
        digits = (shades[..., None] % count >> np.arange(bits)[::-1]) & 1
        rows = np.packbits(digits.reshape(28, -1), axis=1)
        rows = b"".join(b"\0" + row.tobytes() for row in rows)
        yield f"grey of {bits} bits", png(rows, bits)


def png(rows, depth):
    """A grey PNG file of 28 x 28 pixels, by hand: Pillow writes no grey of 2 or 4 bits."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", 28, 28, depth, 0, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks)


@pytest.mark.parametrize(
    ("name", "content"), [pytest.param(*file, id=file[0]) for file in low_depth_files()]
)
def test_png_of_few_bits(name, content, tmp_path):
    """Opaque unless they say otherwise; Omniglot's own files have one bit a pixel."""
    assert content[24] < 8
    (tmp_path / "a.png").write_bytes(content)
    for shape in ((28, 28, 1), (28, 28, 3)):
        expected = pictures.read([tmp_path / "a.png"], shape)
        assert np.ptp(expected) > 0.05
        found = endpoints.encoded.decode(tf.constant([content]), shape)
        levels = 1 if "transparent" in name else 0
        assert np.abs(found - expected).max() * 255 <= levels + 1e-3


@pytest.mark.parametrize("largest", [255, 256, 65535])
def test_png_of_16_bits(largest, tmp_path):
    grey = np.random.default_rng(7).integers(0, largest, (28, 28), endpoint=True)
    grey[0, 0] = largest
    Image.fromarray(grey.astype("uint16")).save(tmp_path / "a.png")
    expected = pictures.read([tmp_path / "a.png"], (28, 28, 1))
    content = tf.constant([(tmp_path / "a.png").read_bytes()])
    found = endpoints.encoded.decode(content, (28, 28, 1))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_raw_pixels_of_any_size(exported, classifier, model, tmp_path):
    """In both formats as Pillow reads them, grey and colour, shrunk and enlarged."""
    rng = np.random.default_rng(6)
    models = bundled.models(exported[1])
    for shape in ((120, 75, 3), (28, 28, 1), (9, 40, 1)):
        pixels = rng.integers(0, 256, shape).astype("uint8")
        (tmp_path / "raw.png").write_bytes(encode(pixels))
        expected = classifier(pictures.read([tmp_path / "raw.png"], (28, 28, 1)))
        found = models.run("serving_raw", {"raw_images": pixels[None]})
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
        outputs = model.signatures["serving_raw"](raw_images=tf.constant(pixels[None]))
        np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)


def test_colour_pictures():
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (6, 5, 3)).astype("uint8")
    found = endpoints.encoded.decode(tf.constant([encode(pixels)]), (6, 5, 3))
    np.testing.assert_allclose(found[0] * 255, pixels, atol=1e-4)
    assert not endpoints.encoded.decodable((28, 28, 4))
    assert not endpoints.encoded.decodable((10,))


@pytest.fixture(scope="module")
def doubtful(classifier, images, tmp_path_factory):
    """A classifier, by whose answers some of the images are unknown, and its bundle."""
    score = classifier.with_options(temperature=4.0).predict(images, verbose=0).max(-1)
    made = classifier.with_options(temperature=4.0, threshold=float(np.median(score)) + 1e-4)
    path = tmp_path_factory.mktemp("doubtful") / "bundle"
    kmeta.export(made, path, sample=images[:3])
    return made, path, score


@pytest.mark.slow
def test_temperature_and_threshold_are_in_every_model(classifier, doubtful, images):
    made, path, score = doubtful
    unknown = score < made.threshold
    assert 0 < unknown.sum() < len(images)
    logits = np.asarray(classifier.logits(images))
    expected = np.asarray(keras.ops.softmax(logits / 4.0))
    np.testing.assert_allclose(made(images), expected, atol=1e-6)
    assert np.abs(expected - classifier(images)).max() > 0.01
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["rejection"] == {
        "temperature": 4.0,
        "threshold": made.threshold,
        "slope": 0.0,
        "offset": 100.0,
        "unknown": "unknown",
    }
    session = onnxruntime.InferenceSession(path / "classifier.onnx")
    names = ["probabilities", "label"]
    loaded = tf.saved_model.load(str(path / "saved_model" / "1"))
    served = loaded.signatures["serving_default"](images=tf.constant(images))
    right = np.where(unknown, "unknown", np.array(made.class_names)[expected.argmax(-1)])
    for probabilities, label in (
        session.run(names, {"images": images}),
        (
            served["probabilities"].numpy(),
            np.char.decode(served["label"].numpy().astype("S"), "utf-8"),
        ),
    ):
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
        assert label.tolist() == right.tolist()
    with np.load(path / "state.npz") as state:
        given = {"queries": images, **state}
    index = np.where(unknown, -1, expected.argmax(-1))
    found = bundled.models(path).run("classify", given)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(found["index"], index)
    outputs = loaded.signatures["classify"](**{n: tf.constant(x) for n, x in given.items()})
    np.testing.assert_array_equal(outputs["index"], index)


def replaced(path, images, **settings):
    """Probabilities and labels of an ONNX file with other settings than its own."""
    options, held = onnxruntime.SessionOptions(), []
    for name, value in settings.items():
        held.append(onnxruntime.OrtValue.ortvalue_from_numpy(np.array(value, "float32")))
        options.add_initializer(name, held[-1])
    session = onnxruntime.InferenceSession(path / "classifier.onnx", options)
    return session.run(["probabilities", "label", "score"], {"images": images})


def test_settings_of_an_onnx_file_can_be_replaced(doubtful, exported, images):
    """Also those of a classifier without any, as 1 and 0 are."""
    made, path, _ = doubtful
    probabilities, label, _ = replaced(path, images, temperature=1.0, threshold=0.0)
    np.testing.assert_allclose(probabilities, made.with_options(temperature=1.0)(images), atol=1e-6)
    assert "unknown" not in label
    settings = {"temperature": 4.0, "threshold": made.threshold}
    probabilities, label, _ = replaced(exported[1], images, **settings)
    np.testing.assert_allclose(probabilities, made(images), atol=1e-6)
    assert "unknown" in label
    logits = np.asarray(made.logits(images)).max(-1)
    slope, offset = 1 / logits.std(), -logits.mean() / logits.std()
    probabilities, _, score = replaced(exported[1], images, slope=slope, offset=offset)
    known = 1 / (1 + np.exp(-slope * logits - offset))
    np.testing.assert_allclose(score, probabilities.max(-1) * known, atol=1e-5)
    assert known.min() < 0.4


def test_options_of_a_classifier(classifier, images, tmp_path):
    made = classifier.with_options(temperature=2.0, threshold=0.5)
    made.save(tmp_path / "made.keras")
    loaded = keras.models.load_model(tmp_path / "made.keras")
    assert (loaded.temperature, loaded.threshold) == (2.0, 0.5)
    np.testing.assert_allclose(loaded(images), made(images), atol=1e-6)
    assert made.with_options(temperature=3.0).threshold == 0.5
    for options, text in (
        ({"temperature": 0.0}, "`temperature` must be a positive number. Received: 0.0"),
        ({"temperature": float("nan")}, "`temperature` must be a positive number. Received: nan"),
        ({"temperature": "2"}, "`temperature` must be a positive number. Received: '2'"),
        ({"temperature": True}, "`temperature` must be a positive number. Received: True"),
        ({"threshold": 1.5}, "`threshold` must be a probability, from 0 to 1. Received: 1.5"),
        ({"threshold": "x"}, "`threshold` must be a probability, from 0 to 1. Received: 'x'"),
        ({"threshold": False}, "`threshold` must be a probability, .* Received: False"),
        ({"familiarity": 5}, "`familiarity` must be two finite numbers, .* Received: 5"),
        ({"familiarity": "12"}, "`familiarity` must be two finite numbers, .* Received: '12'"),
        ({"familiarity": (True, 1)}, "`familiarity` must be two finite numbers"),
        ({"familiarity": (1, 2, 3)}, "`familiarity` must be two finite numbers"),
        ({"familiarity": (1, float("inf"))}, "`familiarity` must be two finite numbers"),
    ):
        with pytest.raises(ValueError, match=text):
            classifier.with_options(**options)
    named = classifier.learner.adapt(images[:2], ["known", "unknown"])
    with pytest.raises(ValueError, match="no class may be called 'unknown'"):
        named.with_options(threshold=0.1)


def test_images_that_a_classifier_refuses(classifier, images):
    for wrong, text in (
        (images[:, :20], r"the shape \[batch, \*\(28, 28, 1\)\]. Received: images.shape=\(7, 20, "),
        (images[..., 0], r"the shape \[batch, \*\(28, 28, 1\)\]. Received: images.shape=\(7, 28, "),
        (images[0], r"Received: images.shape=\(28, 28, 1\)"),
        ((images * 255).astype("int64"), "floats in .* or uint8. Received: dtype=int64"),
    ):
        fresh = classifier.with_options()
        for function in (fresh, fresh.logits, fresh.predict):
            with pytest.raises(ValueError, match=text):
                function(wrong)
    assert classifier(images.astype("float16")).shape == (7, 5)
    given = keras.Input((28, 28, 1))
    assert keras.Model(given, classifier(given)).predict(images, verbose=0).shape == (7, 5)


@pytest.mark.parametrize("labels", [[0, 2, 2], [-1, 0, 1], [1, 1, 1], [0, 1]])
def test_labels_that_are_refused(model, images, labels):
    with pytest.raises(tf.errors.InvalidArgumentError, match="`support_labels` must hold"):
        model.signatures["adapt"](
            support_images=tf.constant(images[:3]), support_labels=tf.constant(labels, tf.int64)
        )


def test_learners_that_adapt_by_training(images, tmp_path):
    """They do so in the SavedModel only."""
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    classifier = kmeta.MAML(network).adapt(images[:2], [0, 1])
    kmeta.export(classifier, tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert manifest["state"] is None
    served = {"serving_default", "serving_bytes", "serving_raw"}
    assert set(manifest["signatures"]) == {*served, "episode"}
    files = {path.name for path in (tmp_path / "bundle").glob("*.onnx")}
    assert files == {"classifier.onnx", "resize.onnx"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.01, 1.01, 255.0])
def test_pixels_that_are_refused(model, images, value):
    """Each signature that takes images; rounding passes."""
    wrong = images[:3].copy()
    wrong[1, 2, 3] = value
    labels = np.arange(3)
    state = model.signatures["adapt"](
        support_images=tf.constant(images[:3] * 1.0005), support_labels=tf.constant(labels)
    )
    for signature, given in (
        ("serving_default", {"images": wrong}),
        ("embed", {"images": wrong}),
        ("adapt", {"support_images": wrong, "support_labels": labels}),
        ("classify", {"queries": wrong, **state}),
        ("episode", {"queries": wrong, "support_images": images[:3], "support_labels": labels}),
        ("episode", {"queries": images, "support_images": wrong, "support_labels": labels}),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must hold finite floats in"):
            model.signatures[signature](**{n: tf.constant(x) for n, x in given.items()})
