"""Pictures of what metric learners make of a task, and the numbers behind them."""

import io

import keras
import numpy as np
import oracles
import pytest
from PIL import Image

import kmeta
from kmeta import Episode, Support
from kmeta.plots import draw_attention, draw_plane, principal_plane
from kmeta.plots.paper import WRONG

rng = np.random.default_rng(5)
LABELS = np.eye(3)[[[0, 0, 1, 2, 1, 2], [2, 1, 0, 0, 1, 2]]]
LABELS[1, 5] = 0  # padding
FEATURES = Episode(Support(rng.normal(size=(2, 6, 4)), LABELS), rng.normal(size=(2, 5, 4)))
PICTURES = Episode(Support(rng.random((2, 6, 8, 8, 1)), LABELS), rng.random((2, 5, 8, 8, 1)))
Y = rng.integers(0, 3, (2, 5))


def flat(learner=kmeta.PrototypicalNetwork, **options):
    return learner(keras.layers.Flatten(dtype="float64"), dtype="float64", **options)


def test_the_plane_against_eigenvectors_of_the_covariance():
    points = rng.normal(size=(20, 6)) * [1, 5, 1, 3, 1, 1] + 7
    coordinates, share = principal_plane(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    for axis, vector in enumerate(vectors.T[::-1][:2]):
        vector = vector * np.sign(vector[np.abs(vector).argmax()])
        np.testing.assert_allclose(coordinates[:, axis], (points - points.mean(0)) @ vector)
    assert share == pytest.approx(values[-2:].sum() / values.sum())


def test_points_that_lie_in_a_plane_keep_their_distances():
    flat_points = rng.normal(size=(9, 2)) @ rng.normal(size=(2, 5))
    coordinates, share = principal_plane(flat_points)
    assert share == pytest.approx(1.0)
    np.testing.assert_allclose(
        oracles.squared_euclidean(coordinates, coordinates),
        oracles.squared_euclidean(flat_points, flat_points),
        atol=1e-9,
    )
    same, share = principal_plane(np.ones((3, 4)))
    assert not same.any() and share == 0.0
    for wrong in (np.ones(4), np.ones((1, 4)), np.ones((4, 1))):
        with pytest.raises(ValueError, match=r"`points` must be \[n, features\]"):
            principal_plane(wrong)


@pytest.mark.parametrize("distance", ["squared_euclidean", "cosine"])
def test_support_prototypes_and_queries_in_the_plane(distance, figures):
    """In task 1, where a support item is padding."""
    learner = flat(distance=distance)
    draw_plane(learner, FEATURES, Y, class_names=["a", "b", "c"], task=1)
    real = LABELS[1].any(axis=1)
    support, labels = FEATURES.support.x[1][real], LABELS[1][real]
    parts = [support, oracles.prototypes(support, labels), FEATURES.query_x[1]]
    if distance == "cosine":
        parts = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in parts]
    expected = principal_plane(np.concatenate(parts))[0]
    squares, stars, *queries = figures[0].axes[0].collections
    np.testing.assert_allclose(squares.get_offsets(), expected[:5], atol=1e-9)
    np.testing.assert_allclose(stars.get_offsets(), expected[5:8], atol=1e-9)
    dots = np.concatenate([points.get_offsets() for points in queries])
    np.testing.assert_allclose(sorted(dots.tolist()), sorted(expected[8:].tolist()), atol=1e-9)
    answers = np.asarray(learner(FEATURES))[1].argmax(-1)
    red = [points for points in queries if _edge(points) == WRONG]
    assert sum(len(points.get_offsets()) for points in red) == (answers != Y[1]).sum() > 0


def _edge(points):
    from matplotlib.colors import to_hex

    return to_hex(points.get_edgecolors()[0]) if len(points.get_edgecolors()) else None


def test_the_plane_of_other_learners(figures):
    assert draw_plane(flat(kmeta.MatchingNetwork), FEATURES, Y).startswith(b"\x89PNG")
    squares, *queries = figures[0].axes[0].collections
    points = np.concatenate([FEATURES.support.x[0], FEATURES.query_x[0]])
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(squares.get_offsets(), principal_plane(points)[0][:6], atol=1e-9)
    assert sum(len(part.get_offsets()) for part in queries) == 5, "and no prototypes"
    with pytest.raises(ValueError, match="must be a metric learner. Received: .* MAML"):
        draw_plane(kmeta.MAML(keras.Sequential([keras.layers.Dense(3)])), FEATURES, Y)
    with pytest.raises(ValueError, match="must give one vector of features"):
        draw_plane(kmeta.PrototypicalNetwork(keras.layers.Identity()), PICTURES, Y)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 7.0},
        {"full_context": True, "scale": 5.0},
        {"support_embedding": keras.layers.Dense(4, dtype="float64")},
    ],
)
def test_attention_is_the_learners_own(options):
    learner = flat(kmeta.MatchingNetwork, **options)
    probabilities = np.exp(learner(FEATURES))
    weights = np.asarray(learner.attention(FEATURES))
    assert weights.shape == (2, 5, 6)
    np.testing.assert_allclose(weights @ LABELS, probabilities, atol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0)
    assert (weights[1, :, 5] == 0).all(), "padding"
    if options == {"scale": 7.0}:
        cosines = oracles.cosine(FEATURES.query_x[0], FEATURES.support.x[0])
        np.testing.assert_allclose(weights[0], oracles.softmax(7 * cosines), atol=1e-9)


def test_attention_with_the_statistics_of_the_batch():
    embedding = keras.Sequential([keras.layers.BatchNormalization(dtype="float64")])
    learner = kmeta.MatchingNetwork(embedding, scale=5.0, bn_mode="batch", dtype="float64")
    predicted = np.exp(learner(FEATURES))
    weights = np.asarray(learner.attention(FEATURES))
    np.testing.assert_allclose(weights @ LABELS, predicted, atol=1e-9)
    running = np.asarray(learner.with_options(bn_mode="running").attention(FEATURES))
    assert np.abs(weights - running).max() > 1e-3


def test_the_picture_of_attention(figures):
    learner = flat(kmeta.MatchingNetwork, scale=7.0)
    png = draw_attention(learner, PICTURES, class_names=["a", "b", "$c$"], task=1, queries=3)
    heat, above, beside = figures[0].axes
    order = [2, 3, 1, 4, 0]  # of the support by class, without padding
    weights = np.asarray(learner.attention(PICTURES))[1][:3, order]
    np.testing.assert_allclose(heat.images[0].get_array(), weights)
    assert [text.get_text() for text in heat.texts] == [f"{100 * w:.0f}" for w in weights.ravel()]
    assert [label.get_text() for label in heat.get_xticklabels()] == ["a", "a", "b", "b", "$c$"]
    support = np.concatenate(list(PICTURES.support.x[1][order]), axis=1)[..., 0]
    np.testing.assert_array_equal(above.images[0].get_array(), support)
    queries = np.concatenate(list(PICTURES.query_x[1][:3]), axis=0)[..., 0]
    np.testing.assert_array_equal(beside.images[0].get_array(), queries)
    more = draw_attention(learner, PICTURES, task=1)
    heights = [Image.open(io.BytesIO(data)).height for data in (png, more)]
    assert heights[1] > heights[0]
    with pytest.raises(ValueError, match="must be a MatchingNetwork. Received: .*Prototypical"):
        draw_attention(flat(), PICTURES)
