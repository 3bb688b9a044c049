"""Which backbone is taken for which pictures."""

import numpy as np
import pytest

import kmeta
from kmeta.few_shot import choosing


def pixels(kind, n=4):
    rng = np.random.default_rng(0)
    grey = rng.random((n, 32 * 32, 1)).repeat(3, -1)
    if kind == "drawing":
        grey = 0.05 * grey + 0.9 * (grey > 0.8)
    if kind == "coloured":
        grey = rng.random((n, 32 * 32, 3))
    return grey.reshape(n, -1)


@pytest.mark.parametrize(
    ("accuracies", "kind", "expected"),
    [
        ((0.9, 0.4), "drawing", "photos"),
        ((0.4, 0.9), "coloured", "prototypical-omniglot"),
        ((1.0, 1.0), "coloured", "photos"),
        ((1.0, 1.0), "grey", "photos"),
        ((1.0, 1.0), "drawing", "prototypical-omniglot"),
        ((None, None), "drawing", "prototypical-omniglot"),
        ((None, None), "coloured", "photos"),
    ],
)
def test_the_best_is_taken_and_looks_decide_between_equals(accuracies, kind, expected):
    named = dict(zip(choosing.TRIED, accuracies, strict=True))
    assert choosing.best(named, pixels(kind)) == expected


@pytest.mark.slow
def test_drawings_are_looked_at_by_their_own_backbone():
    glyphs = kmeta.data.load("glyphs", "test").subset([0, 1, 2])
    few = np.arange(len(glyphs)) % 5 == 0
    found = kmeta.FewShotClassifier(255 - glyphs.images[few], glyphs.labels[few])
    assert found.backbone == "prototypical-omniglot" and found.inverted
    assert set(found.tried) == {"photos", "prototypical-omniglot", "raw pixels"}
    ours = found.tried["prototypical-omniglot"].accuracy
    assert ours >= found.tried["photos"].accuracy
    assert found.leave_one_out().accuracy == ours


def test_a_backbone_worse_than_raw_pixels_is_said_loudly():
    import keras

    keras.utils.set_random_seed(0)
    blind = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Rescaling(0.0), keras.layers.Flatten()]
    )
    rng = np.random.default_rng(0)
    patterns = rng.permuted(np.tile(np.linspace(0, 255, 64), (3, 1)), axis=1).reshape(3, 8, 8, 1)
    labels = np.arange(15) % 3
    images = np.clip(patterns[labels] + rng.normal(0, 5, (15, 8, 8, 1)), 0, 255).astype("uint8")
    with pytest.warns(UserWarning, match="DO NOT RELY ON THIS CLASSIFIER: Sequential tells"):
        kmeta.FewShotClassifier(images, labels, blind)


def test_options_of_a_named_backbone():
    images = np.zeros((2, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match="`weights` and `size` go with a `backbone`"):
        kmeta.FewShotClassifier(images, ["a", "b"], size=32)
    with pytest.raises(ValueError, match="`head` must be one of"):
        kmeta.FewShotClassifier(images, ["a", "b"], "photos", head="tail")


@pytest.mark.parametrize(
    ("head", "kind"), [("ridge", kmeta.R2D2), ("prototypes", kmeta.PrototypicalNetwork)]
)
def test_heads_on_the_network_of_a_learner(head, kind):
    from kmeta.few_shot import learner_of

    learner = learner_of("prototypical-omniglot", head=head)
    assert type(learner) is kind
    assert learner_of("prototypical-omniglot").distance == "squared_euclidean"
    images = np.random.default_rng(0).random((2, 28, 28, 1), dtype="float32")
    original = kmeta.load("prototypical-omniglot").network
    np.testing.assert_array_equal(learner.network(images), original(images))


@pytest.mark.parametrize(
    ("count", "expected"), [(250, (5, False)), (251, (1, False)), (1281, (1, True))]
)
def test_many_pictures_are_looked_at_once_and_held_by_their_features(count, expected):
    (album,) = choosing.albums("photos", "imagenet", None, None, None, count).values()
    assert (album.learner.views, album.learner.many) == expected
