"""R2-D2: a learner that regresses to its classes."""

import keras
import numpy as np
import oracles
import pytest

import kmeta
from kmeta import Episode, Support

rng = np.random.default_rng(4)
X, QUERY = (rng.normal(size=(2, items, 6)).astype("float32") for items in (9, 5))
Y = np.tile(np.eye(3, dtype="float32")[np.arange(9) % 3], (2, 1, 1))
EPISODE = Episode(Support(X, Y), QUERY)


def learner(**options):
    return kmeta.R2D2(keras.layers.Identity(), **options)


@pytest.mark.parametrize(("lam", "scale"), [(0.3, 16.0), (0.05, 2.0)])
def test_logits_are_those_of_the_equation(lam, scale):
    expected = [scale * oracles.ridge_scores(X[i], Y[i], QUERY[i], lam) for i in range(2)]
    found = learner(lam=lam, scale=scale, nearness=0.0)(EPISODE)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_nearness_is_the_same_for_all_classes():
    cosines = np.stack([oracles.cosine(QUERY[i], X[i]).max(-1) for i in range(2)])
    without, with_it = (learner(nearness=nearness)(EPISODE) for nearness in (0.0, 3.0))
    expected = np.tile(16 * 3 * cosines[..., None], 3)
    np.testing.assert_allclose(with_it - without, expected, atol=2e-4)


def test_similarity_to_the_nearest_item_without_padding():
    made, cosines = learner(), oracles.cosine(QUERY[0], X[0])
    state = made.summarise(X[:1], Y[:1])
    np.testing.assert_allclose(made.similarity(state, QUERY[:1])[0], cosines.max(-1), atol=1e-5)
    padded = np.where(np.arange(9)[:, None] < 6, Y[:1], 0)
    state = made.summarise(X[:1], padded)
    found = made.similarity(state, QUERY[:1])[0]
    np.testing.assert_allclose(found, cosines[:, :6].max(-1), atol=1e-5)


@pytest.mark.parametrize("options", [{"lam": 0}, {"lam": "a"}, {"scale": -1.0}, {"nearness": -1}])
def test_bad_options(options):
    with pytest.raises(
        ValueError, match="must be a (positive, finite number|number of at least 0)"
    ):
        learner(**options)


def test_features_must_be_vectors():
    with pytest.raises(ValueError, match="one vector of features for each image"):
        kmeta.R2D2(keras.layers.Conv2D(2, 3)).build((8, 8, 1))
