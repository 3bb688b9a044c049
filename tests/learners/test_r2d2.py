"""R2-D2: a learner that regresses to its classes."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from quick_cases import others_slow

import kmeta
from kmeta import Episode, Support
from kmeta.exporting import load_bundle
from kmeta.few_shot import left_out
from kmeta.ops.views import views

rng = np.random.default_rng(4)
X, QUERY = (rng.normal(size=(2, items, 6)).astype("float32") for items in (9, 5))
Y = np.tile(np.eye(3, dtype="float32")[np.arange(9) % 3], (2, 1, 1))
EPISODE = Episode(Support(X, Y), QUERY)


def learner(**options):
    return kmeta.R2D2(keras.layers.Identity(), **options)


@pytest.mark.parametrize(("lam", "scale"), [(0.3, 16.0), (0.05, 2.0)])
def test_logits_are_those_of_the_equation(lam, scale):
    expected = [scale * oracles.ridge_scores(X[i], Y[i], QUERY[i], lam) for i in range(2)]
    found = learner(lam=lam, scale=scale, doubt=0.0)(EPISODE)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_doubt_is_the_same_for_all_classes():
    variances = np.stack([oracles.ridge_variances(X[i], QUERY[i], 0.3) for i in range(2)])
    without, with_it = (learner(doubt=doubt)(EPISODE) for doubt in (0.0, 0.5))
    expected = np.tile(-16 * 0.5 * variances[..., None], 3)
    np.testing.assert_allclose(with_it - without, expected, atol=1e-3, rtol=1e-3)


def images(items, seed):
    return np.random.default_rng(seed).random((1, items, 8, 8, 1), dtype="float32")


def test_every_view_of_a_support_image_is_an_item():
    made = kmeta.R2D2(keras.layers.Flatten(), views=3)
    x, query = images(9, 0), images(5, 1)
    made.build((8, 8, 1))
    state = made.adapt_state(Support(x, Y[:1]), deployed=True)
    assert state["embedded"].shape == (1, 9, 3, 64)
    items = np.asarray(views(x[0], 3)).reshape(27, 64)
    labels = np.repeat(Y[0], 3, axis=0)
    flat = query[0].reshape(5, 64)
    expected = oracles.ridge_scores(items, labels, flat, 0.3)
    expected -= 0.18 * oracles.ridge_variances(items, flat, 0.3)[:, None]
    np.testing.assert_allclose(made.classify(state, query)[0], 16 * expected, atol=2e-3)
    np.testing.assert_allclose(made(Episode(Support(x, Y[:1]), query))[0], 16 * expected, atol=2e-3)


@pytest.mark.parametrize("many", others_slow([False, True], [True]))
def test_graphs_of_any_number_of_items_hold_the_smaller_matrix(many, tmp_path):
    """By features where there are many items, which can also be exported and grow."""
    made = learner(many=many)
    made.build((6,))
    specs = tf.TensorSpec([1, None, 6]), tf.TensorSpec([1, None, 3])
    graph = tf.function(made.summarise, input_signature=specs).get_concrete_function()
    assert graph.structured_outputs["inverse"].shape[1:] == ([6, 6] if many else [None, None])
    vectors = np.abs(X.reshape(18, 6)) / 9
    classifier = made.adapt(vectors, np.arange(18) % 3, ["a", "b", "c"])
    kmeta.export(classifier, tmp_path / "bundle", vectors)
    grown = load_bundle(tmp_path / "bundle")
    grown.add_class("d", vectors[:4])
    items, labels = np.concatenate([vectors, vectors[:4]]), [*(np.arange(18) % 3), 3, 3, 3, 3]
    whole = made.adapt(items, labels, ["a", "b", "c", "d"])
    np.testing.assert_allclose(grown.predict(vectors), whole.predict(vectors, verbose=0), atol=1e-4)


@pytest.mark.parametrize("count", [1, 2])
def test_left_out_answers_are_those_without_the_pictures(count):
    made = kmeta.R2D2(keras.layers.Flatten(), views=count)
    made.build((8, 8, 1))
    x, labels = images(12, 2), np.arange(12) % 3
    kept = np.asarray(made.embed_support(x)[0])
    queries = np.asarray(made.embed(x)[0])
    groups = [np.array([0, 3]), *(np.array([i]) for i in range(12) if i not in (0, 3))]
    found, _ = left_out.groups_of(made, kept, labels, groups)
    for group in groups[:3]:
        rest = np.delete(np.arange(12), group)
        one_hot = np.eye(3, dtype="float32")[labels[rest]]
        expected = left_out.adapted_logits(made, kept[rest], one_hot, queries[group])
        np.testing.assert_allclose(found[group], expected, atol=2e-3)


def test_views_are_for_pictures():
    with pytest.raises(ValueError, match="`views` must be 1 unless images are"):
        kmeta.R2D2(keras.layers.Flatten(), views=2).build((6,))
    with pytest.raises(ValueError, match="`views` must be from 1 to 5"):
        kmeta.R2D2(keras.layers.Flatten(), views=6)


@pytest.mark.slow
def test_bundles_look_at_support_images_as_keras_does(tmp_path):
    network = keras.Sequential([keras.layers.Conv2D(8, 3, strides=2), keras.layers.Flatten()])
    made = kmeta.R2D2(network, views=3)
    x = images(8, 3)[0]
    names = [name for name in "abcd" for _ in range(2)]
    whole = made.adapt(x, names)
    three = made.adapt(x[:6], names[:6])
    report = kmeta.export(three, tmp_path / "bundle", x)
    assert max(report.onnx_difference, report.saved_model_difference) < 1e-5
    device = load_bundle(tmp_path / "bundle")
    device.add_class("d", x[6:])
    queries = images(5, 4)[0]
    np.testing.assert_allclose(device.predict(queries), whole(queries), atol=1e-5)


@pytest.mark.parametrize("options", [{"lam": 0}, {"lam": "a"}, {"scale": -1.0}, {"doubt": -1}])
def test_bad_options(options):
    with pytest.raises(
        ValueError, match="must be a (positive, finite number|number of at least 0)"
    ):
        learner(**options)


def test_features_must_be_vectors():
    with pytest.raises(ValueError, match="one vector of features for each image"):
        kmeta.R2D2(keras.layers.Conv2D(2, 3)).build((8, 8, 1))
