"""A user's own pictures: from a folder to a classifier that grows."""

import io
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kmeta
from kmeta.data.pixels import fitted, plain
from kmeta.exporting import load_bundle
from kmeta.few_shot import left_out
from kmeta.few_shot.album import Album

# pixels of patterns tell more than networks that know nothing
pytestmark = pytest.mark.filterwarnings("ignore:DO NOT RELY")
SIZE = 16
NAMES = ["ant", "bee", "cat", "dog"]


def embedding():
    return keras.Sequential(
        [keras.layers.Conv2D(6, 3, strides=2, activation="tanh"), keras.layers.Flatten()]
    )


def made(kind, *arguments, **options):
    keras.utils.set_random_seed(1)
    learner = kind(*arguments, **options)
    learner.build((SIZE, SIZE, 1))
    return learner


def few_features():
    return keras.Sequential(
        [keras.layers.AveragePooling2D(4), keras.layers.Flatten(), keras.layers.Dense(5)]
    )


def kept(learner, images):
    """What a learner keeps of images."""
    album = Album(learner)
    for image in images:
        album.add(image)
    return album.close()


@pytest.fixture(scope="module")
def learner():
    return made(kmeta.PrototypicalNetwork, embedding())


@pytest.fixture(scope="module")
def drawings():
    """Float images `[21, 16, 16, 1]`, hard to tell, and their labels: 6, 6, 5 and 4 of a class."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), [6, 6, 5, 4])
    patterns = np.kron(rng.random((4, 4, 4)), np.ones((4, 4)))
    images = 0.2 * patterns[labels] + 0.8 * rng.random((len(labels), SIZE, SIZE))
    return images.astype("float32")[..., None], labels


@pytest.fixture
def classifier(learner, drawings):
    images, labels = drawings
    return kmeta.FewShotClassifier(images, labels, learner, class_names=NAMES)


def test_it_is_the_learner_adapted(classifier, learner, drawings):
    images, labels = drawings
    expected = learner.adapt(images, labels)(images)
    np.testing.assert_allclose(classifier.predict(images), expected, atol=1e-6)
    named = kmeta.FewShotClassifier(images, np.array(NAMES)[labels], learner)
    np.testing.assert_allclose(named.predict(images), expected, atol=1e-6)
    assert named.class_names == classifier.class_names == NAMES
    answers, scores = classifier.label(images)
    assert answers == [NAMES[i] for i in np.argmax(expected, -1)]
    np.testing.assert_allclose(scores, np.max(expected, -1), atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: made(kmeta.PrototypicalNetwork, embedding()),
        lambda: made(kmeta.PrototypicalNetwork, embedding(), distance="cosine", scale=10.0),
        lambda: made(kmeta.R2D2, embedding()),
        lambda: made(kmeta.R2D2, few_features()),
        pytest.param(
            lambda: made(kmeta.MatchingNetwork, embedding(), embedding(), full_context=True),
            marks=pytest.mark.slow,
        ),
        lambda: made(
            kmeta.MAML, keras.Sequential([embedding(), keras.layers.Dense(4)]), inner_steps=1
        ),
    ],
    ids=["prototypical", "cosine", "ridge", "ridge, few features", "full context", "maml"],
)
def test_one_left_out_is_one_that_was_never_there(make, drawings):
    """Also two at once, and beside them a whole class where the learner allows."""
    images, labels = drawings
    learner = make()
    groups = [np.array(group) for group in ([0], [7, 8], [20])]
    found, queries = left_out.groups_of(learner, kept(learner, images), labels, groups)
    assert list(queries) == [0, 7, 8, 20]
    found = dict(zip(queries, found, strict=True))
    for group in groups:
        others = ~np.isin(np.arange(len(images)), group)
        expected = learner.adapt(images[others], labels[others]).logits(images[group])
        for query, logits in zip(group, expected, strict=True):
            np.testing.assert_allclose(found[query], logits, atol=1e-4)


def test_estimate_counts_the_pictures_left_out(classifier, learner, drawings):
    images, labels = drawings
    hits = []
    for i in range(len(images)):
        others = np.arange(len(images)) != i
        adapted = learner.adapt(images[others], labels[others])
        hits.append(int(np.argmax(adapted(images[i][None])) == labels[i]))
    estimate = classifier.leave_one_out()
    assert estimate.accuracy == np.mean(hits) < 1
    assert list(estimate.images) == list(range(len(images)))


def test_only_pictures_of_a_class_cannot_be_left_out(learner, drawings):
    images, labels = drawings
    few = [0, 1, 6]
    classifier = kmeta.FewShotClassifier(images[few], labels[few], learner)
    assert list(classifier.leave_one_out().images) == [0, 1]
    with pytest.raises(ValueError, match="needs a class with at least two that differ"):
        kmeta.FewShotClassifier(images[[0, 6]], [0, 1], learner).leave_one_out()


@pytest.mark.parametrize("kind", [kmeta.PrototypicalNetwork, kmeta.R2D2, kmeta.MatchingNetwork])
def test_a_class_left_out_is_unknown(kind, drawings):
    images, labels = drawings
    learner = made(kind, embedding())
    support, alone = kept(learner, images), [np.array([i]) for i in range(len(images))]
    found = left_out.classes(learner, support, labels, alone)
    expected = np.full((len(images), 4), -np.inf)
    for label in range(4):
        own = labels == label
        adapted = learner.adapt(images[~own], np.unique(labels[~own], return_inverse=True)[1])
        others = np.delete(np.arange(4), label)
        expected[np.ix_(own, others)] = adapted.logits(images[own])
    np.testing.assert_allclose(found.unknown, expected, atol=1e-4)
    assert len(found.logits) == len(found.labels) == len(images)
    with pytest.raises(ValueError, match="three classes"):
        left_out.classes(learner, support[labels < 2], labels[labels < 2], alone[:12])


def test_tasks_drawn_from_other_classes(learner):
    """Known and unknown queries of a task are what adapting to its support set says of them."""
    rng = np.random.default_rng(5)
    data = kmeta.data.from_arrays(
        rng.integers(0, 256, (48, SIZE, SIZE, 1)).astype("uint8"), np.arange(48) % 8
    )
    first, second = left_out.drawn(Album(learner), data, way=3, shot=2, episodes=4, seed=9)
    assert first.logits.shape == second.logits.shape == (2 * 3 * 4, 3)
    assert first.unknown.shape == (2 * 3 * 4, 3)
    episode, query_y = kmeta.Episodes(data, 6, 2, 4, steps=4, seed=9)[2]
    support_y = episode.support.y[0].argmax(-1)
    known = support_y < 3
    adapted = learner.adapt(episode.support.x[0][known], support_y[known])
    expected = np.asarray(adapted.logits(episode.query_x[0]))
    mine = query_y[0] < 3
    np.testing.assert_allclose(first.logits[12:], expected[mine], atol=1e-4)
    np.testing.assert_allclose(first.unknown[12:], expected[~mine], atol=1e-4)
    assert list(first.labels[12:]) == list(query_y[0][mine])
    with pytest.raises(ValueError, match="four classes at least"):
        left_out.drawn(Album(learner), data.subset([0, 1, 2]), 3, 2, 4, 9)


def test_growing_is_exact(learner, drawings):
    images, labels = drawings
    classifier = kmeta.FewShotClassifier(
        images[:12:2], np.array(NAMES)[labels[:12:2]], learner
    )  # 3 of each of two classes
    classifier.add_class("dog", images[labels == 3])
    classifier.add_class("cat", images[labels == 2][:1])
    for image in images[labels == 2][1:]:
        classifier.add_examples("cat", image[None])
    classifier.add_examples("ant", images[1:6:2])
    classifier.add_examples("bee", images[7:12:2])
    assert classifier.class_names == ["ant", "bee", "dog", "cat"]
    assert list(classifier.counts) == [6, 6, 4, 5]
    once = learner.adapt(images, np.array([0, 1, 3, 2])[labels])(images)
    np.testing.assert_allclose(classifier.predict(images), once, atol=1e-6)
    classifier.remove_class("bee")
    rest = labels != 1
    expected = learner.adapt(images[rest], np.array([0, 0, 2, 1])[labels[rest]])(images)
    np.testing.assert_allclose(classifier.predict(images), expected, atol=1e-6)
    assert classifier.class_names == ["ant", "dog", "cat"]


def test_what_cannot_grow_stays_as_it_was(classifier, drawings):
    images, _ = drawings
    before = classifier.predict(images)
    for call, message in [
        (lambda: classifier.add_class("ant", images), "must be a new class"),
        (lambda: classifier.add_class("unknown", images), "a text other than 'unknown'"),
        (lambda: classifier.add_class("two\nlines", images), "without control characters"),
        (lambda: classifier.add_examples("cow", images), "must be one of"),
        (lambda: classifier.add_examples("ant", []), "at least one picture"),
        (lambda: classifier.add_class("cow", images[:, :, :, None]), "must hold paths, PIL images"),
        (lambda: classifier.remove_class("cow"), "must be one of"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    np.testing.assert_array_equal(classifier.predict(images), before)
    fixed = made(kmeta.MAML, keras.Sequential([embedding(), keras.layers.Dense(2)]))
    two = kmeta.FewShotClassifier(images[[0, 7]], ["ant", "bee"], fixed)
    before = two.predict(images)
    with pytest.raises(ValueError, match="network predicts 2 classes"):
        two.add_class("cow", images[:2])
    assert two.class_names == ["ant", "bee"]
    np.testing.assert_array_equal(two.predict(images), before)
    with pytest.raises(ValueError, match="Two classes must remain"):
        two.remove_class("bee")
    with pytest.raises(ValueError, match="which MAML cannot: it has a fixed number"):
        two.calibrate()
    fixed = made(kmeta.MAML, keras.Sequential([embedding(), keras.layers.Dense(3)]))
    three = kmeta.FewShotClassifier(images[[0, 7, 13]], ["ant", "bee", "cat"], fixed)
    with pytest.raises(ValueError, match="network predicts 3 classes"):
        three.remove_class("bee")
    assert three.class_names == ["ant", "bee", "cat"]


def test_labels_may_be_bytes_or_objects(learner, drawings):
    images, labels = drawings
    expected = kmeta.FewShotClassifier(images, labels, learner, class_names=["1", "10", "11", "2"])
    names = np.array(["1", "10", "11", "2"])[labels]
    for given in (names.astype("S"), names.astype(object)):
        found = kmeta.FewShotClassifier(images, given, learner)
        assert found.class_names == expected.class_names
        assert found.label(images) == expected.label(images)


def test_one_picture_is_one_picture(classifier, drawings):
    pixels = np.uint8(255 * drawings[0][0])
    expected = classifier.predict([pixels])
    for one in (pixels, pixels[..., 0], tf.constant(pixels), Image.fromarray(pixels[..., 0])):
        np.testing.assert_array_equal(classifier.predict(one), expected)
    np.testing.assert_array_equal(classifier.predict(tf.constant(pixels[None])), expected)


def test_images_of_pillow_are_seen_as_they_look(classifier):
    rng = np.random.default_rng(3)
    grey = Image.fromarray(rng.integers(0, 256, (20, 30)).astype("uint8"))
    palette = grey.convert("RGB").quantize(8)
    colour = palette.convert("RGB")
    expected = classifier.predict([colour])
    np.testing.assert_allclose(classifier.predict([palette]), expected, atol=1e-6)
    np.testing.assert_allclose(classifier.predict([colour.convert("RGBA")]), expected, atol=1e-6)
    np.testing.assert_allclose(classifier.predict([colour.convert("YCbCr")]), expected, atol=0.02)
    buffer = io.BytesIO()
    grey.save(buffer, "PNG")
    np.testing.assert_array_equal(classifier.predict(buffer.getvalue()), classifier.predict(grey))
    with pytest.raises(ValueError, match="given as bytes: it is no PNG"):
        classifier.predict(b"no picture")


def test_floats_of_any_size_are_the_same_picture(classifier):
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30, 3)).astype("uint8")
    floats = (pixels / 255).astype("float32")
    np.testing.assert_allclose(
        classifier.predict([floats]), classifier.predict([pixels]), atol=0.01
    )


def test_no_picture_at_all(classifier):
    with pytest.raises(ValueError, match="paths of pictures, or arrays. Received: NoneType"):
        classifier.predict(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "a"}, "`keep` must be between 0 and 1. Received: keep='a'"),
        ({"episodes": 1}, "`episodes` must be an integer of at least 2. Received: episodes=1"),
        ({"episodes": 2.5}, "`episodes` must be an integer of at least 2"),
        ({"data": "folder"}, "`data` must be a kmeta.data.Dataset, or None. Received: 'folder'"),
    ],
)
def test_bad_calibration(classifier, options, message):
    with pytest.raises(ValueError, match=message):
        classifier.calibrate(**options)


def test_no_class_is_called_unknown(learner, drawings):
    images, labels = drawings
    named = kmeta.FewShotClassifier(images, labels, learner, class_names=["unknown", *NAMES[1:]])
    with pytest.raises(ValueError, match="'unknown' must not be a class"):
        named.calibrate()
    with pytest.raises(ValueError, match="other than 'unknown'"):
        named.add_class("unknown", images[:1])


def save(pixels, path, mode=None, **options):
    image = Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert(mode or image.mode).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes; of the first the same picture in five forms, of the second others."""
    rng = np.random.default_rng(6)
    pixels = np.kron(rng.integers(0, 256, (6, 5)), np.ones((8, 8))).astype("uint8")
    place = tmp_path / "mine" / "first"
    save(pixels, place / "a grey.png")
    save(pixels, place / "b colour.jpg", "RGB", quality=100)
    save(pixels, place / "c alpha.png", "RGBA")
    save(np.kron(pixels, np.ones((2, 2))).astype("uint8"), place / "d large.png")
    turned = Image.fromarray(np.rot90(pixels))  # to be turned clockwise by its mark
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(place / "e turned.jpg", quality=100, exif=exif)
    for i in range(3):
        save(
            rng.integers(0, 256, (20 + i, 30)).astype("uint8"), place.parent / "second" / f"{i}.png"
        )
    return tmp_path / "mine"


def test_pictures_of_every_kind(folder, learner):
    with pytest.warns(UserWarning, match="The same picture twice"):
        classifier = kmeta.FewShotClassifier.from_directory(folder, learner)
    assert classifier.class_names == ["first", "second"]
    assert list(classifier.counts) == [5, 3]
    files = sorted((folder / "first").iterdir())
    probabilities = classifier.predict(files)
    for path, found in zip(files, probabilities, strict=True):
        np.testing.assert_allclose(found, probabilities[0], atol=0.02, err_msg=path.name)
    alone = kmeta.FewShotClassifier([files[0], folder / "second" / "0.png"], ["x", "y"], learner)
    assert alone.label(files)[0] == ["x"] * 5


def test_unreadable_and_repeated_pictures_are_named(folder, learner):
    shutil.copy(folder / "second" / "0.png", folder / "first" / "z copy.png")
    (folder / "second" / "broken.png").write_bytes(b"no picture")
    (folder / "second" / "lost.png").symlink_to(folder / "nothing.png")
    with pytest.warns(UserWarning, match="Left out|same picture") as found:
        classifier = kmeta.FewShotClassifier.from_directory(folder, learner)
    said = "\n".join(str(warning.message) for warning in found)
    assert "Left out 2 pictures: Cannot read the image second/broken.png" in said
    assert "Cannot read 'second/lost.png'" in said
    assert "twice: second/0.png is first/z copy.png, of another class; first/b" in said
    assert "; first/b colour.jpg is first/a grey.png; " in said
    assert list(classifier.counts) == [6, 3]
    with pytest.raises(ValueError, match="broken"):
        kmeta.FewShotClassifier.from_directory(folder, learner, skip_unreadable=False)


def test_colours_and_a_grey_backbone(tmp_path, learner):
    rng = np.random.default_rng(7)
    for name in ("a", "b"):
        save(rng.integers(0, 256, (9, 9, 3)).astype("uint8"), tmp_path / "mine" / name / "1.png")
    with pytest.warns(UserWarning, match="coloured, and the backbone sees grey"):
        kmeta.FewShotClassifier.from_directory(tmp_path / "mine", learner)


def test_dark_and_light_swapped(classifier, learner, drawings):
    images, labels = drawings
    swapped = kmeta.FewShotClassifier(1 - images, labels, learner, class_names=NAMES, invert=True)
    np.testing.assert_allclose(swapped.predict(1 - images), classifier.predict(images), atol=1e-5)
    assert np.abs(swapped.predict(images) - classifier.predict(images)).max() > 0.01
    matching = made(kmeta.MatchingNetwork, embedding(), embedding())
    plain_one = kmeta.FewShotClassifier(images, labels, matching)
    swapped = kmeta.FewShotClassifier(1 - images, labels, matching, invert=True)
    np.testing.assert_allclose(swapped.predict(1 - images), plain_one.predict(images), atol=1e-5)


def test_calibration_reaches_the_exported_graph(drawings, tmp_path):
    """And raw bytes in TensorFlow, raw pixels in onnxruntime say what Python says."""
    too_sure = made(kmeta.PrototypicalNetwork, embedding(), distance="cosine", scale=300.0)
    classifier = kmeta.FewShotClassifier(*drawings, too_sure, class_names=NAMES)
    found = classifier.calibrate()
    assert (classifier.temperature, classifier.threshold) == (found.temperature, found.threshold)
    assert found.temperature != 1
    rng = np.random.default_rng(8)
    raw = np.kron(rng.integers(0, 256, (9, 7, 3)), np.ones((5, 5, 1))).astype("uint8")
    expected = classifier.predict([raw])
    classifier.export(tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    slope, offset = found.familiarity
    assert manifest["rejection"] == {
        "temperature": found.temperature,
        "threshold": found.threshold,
        "slope": slope,
        "offset": offset,
        "unknown": "unknown",
    }
    answers = load_bundle(tmp_path / "bundle").run("serving_raw", {"raw_images": raw[None]})
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    assert answers["label"].tolist() == classifier.label([raw])[0]
    np.testing.assert_allclose(answers["score"], classifier.label([raw])[1], atol=1e-5)
    files, exif = [tmp_path / "a.png", tmp_path / "turned.jpg"], Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(raw).save(files[0])
    Image.fromarray(raw).save(files[1], exif=exif)
    model = tf.saved_model.load(str(tmp_path / "bundle" / "saved_model" / "1"))
    contents = tf.constant([file.read_bytes() for file in files])
    outputs = model.signatures["serving_bytes"](image_bytes=contents)
    np.testing.assert_allclose(outputs["probabilities"], classifier.predict(files), atol=1e-5)
    np.testing.assert_allclose(outputs["probabilities"][:1], expected, atol=1e-5)
    logits = classifier.learner.adapt(*drawings).logits(
        fitted(plain(Image.fromarray(raw)), (SIZE, SIZE, 1))[None]
    )
    np.testing.assert_allclose(expected, keras.ops.softmax(logits / found.temperature), atol=1e-6)
    known = 1 / (1 + np.exp(-slope * np.max(logits) - offset))
    assert answers["score"] == pytest.approx(np.max(expected) * known, rel=1e-4)
    assert known < 0.999


def test_threshold_refuses(classifier, drawings):
    images, _ = drawings
    classifier.threshold = 0.999999
    assert set(classifier.label(1 - images)[0]) == {"unknown"}
    with pytest.raises(ValueError, match="`keep` must be between 0 and 1"):
        classifier.calibrate(keep=1.0)


def test_scores_tell_unknown_pictures_without_a_threshold(learner, drawings):
    images, labels = drawings
    classifier, calibrated = (
        kmeta.FewShotClassifier(images, labels, learner, class_names=NAMES) for _ in range(2)
    )
    before = classifier.predict(images)
    np.testing.assert_allclose(classifier.label(images)[1], before.max(-1), atol=1e-6)
    classifier.fit_familiarity()
    assert classifier.familiarity == calibrated.calibrate().familiarity
    assert (classifier.temperature, classifier.threshold) == (1, 0)
    np.testing.assert_array_equal(classifier.predict(images), before)
    slope, offset = classifier.familiarity
    logits = learner.adapt(images, labels).logits(images)
    known = 1 / (1 + np.exp(-slope * np.max(logits, axis=-1) - offset))
    labels_now, scores = classifier.label(images)
    np.testing.assert_allclose(scores, before.max(-1) * known, rtol=1e-4)
    assert labels_now == [NAMES[i] for i in before.argmax(-1)]


def test_familiarity_stays_where_it_cannot_be_judged(learner, drawings):
    images, labels = drawings
    fixed = made(kmeta.MAML, keras.Sequential([embedding(), keras.layers.Dense(4)]))
    single = np.unique(labels, return_index=True)[1]
    for rows, by in ((labels < 2, learner), (single, learner), (labels < 4, fixed)):
        classifier = kmeta.FewShotClassifier(images[rows], labels[rows], by)
        before = classifier.familiarity
        classifier.fit_familiarity()
        assert classifier.familiarity == before
