"""The tables of what a bundle offers: names, inputs, dimensions, and what the functions say."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kmeta
from kmeta.exporting import endpoints

SHAPE = (8, 8, 1)
ANSWERS = {"probabilities", "index", "score"}
rng = np.random.default_rng(3)
IMAGES = rng.random((5, *SHAPE)).astype("float32")


def adapted(units, kind=kmeta.PrototypicalNetwork, shape=SHAPE, **options):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units)])
    learner = kind(network, **options)
    images = IMAGES[:2].reshape(2, -1)[:, : np.prod(shape)].reshape(2, *shape)
    return learner.adapt(images, [0, 1]).with_options(temperature=2.0, threshold=0.6)


@pytest.fixture(scope="module")
def growing():
    return adapted(4, scale=3.0)


def inputs(table):
    return {name: [spec.name for spec in endpoint.inputs] for name, endpoint in table.items()}


SERVED = {
    "serving_default": ["images"],
    "serving_bytes": ["image_bytes"],
    "serving_raw": ["raw_images"],
}
EPISODE = ["support_images", "support_labels", "queries"]


def test_a_metric_learner_offers_its_parts(growing):
    assert inputs(endpoints.table(growing)) == {
        **SERVED,
        "embed": ["images"],
        "adapt": EPISODE[:2],
        "classify": ["queries", "prototypes"],
        "episode": EPISODE,
    }
    assert inputs(endpoints.graphs(growing)) == {
        "classifier": ["images"],
        "resize": ["raw_images"],
        "adapt": ["support_embeddings", "support_labels"],
        "classify": ["embeddings", "prototypes"],
    }


def test_other_learners_offer_answers_alone():
    fixed = adapted(2, kmeta.MAML)
    assert inputs(endpoints.table(fixed)) == {**SERVED, "episode": EPISODE}
    assert set(endpoints.graphs(fixed)) == {"classifier", "resize"}


def test_what_is_no_picture_is_not_read_from_files():
    vectors = adapted(4, shape=(6,))
    assert not {"serving_bytes", "serving_raw"} & set(endpoints.table(vectors))
    assert "resize" not in endpoints.graphs(vectors)


def test_networks_of_support_images_and_their_views_stand_by_themselves():
    dense = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
    two = adapted(4, kmeta.MatchingNetwork, support_embedding=dense)
    assert "support" in endpoints.graphs(two) and "views" not in endpoints.graphs(two)
    looks = adapted(4, kmeta.R2D2, views=3)
    assert "views" in endpoints.graphs(looks) and "support" not in endpoints.graphs(looks)


def test_sizes_that_vary_have_names(growing):
    table = endpoints.table(growing)
    for name, endpoint in table.items():
        for spec in endpoint.inputs:
            varying = {axis for axis, size in enumerate(spec.shape) if size is None}
            assert varying == set(endpoint.dimensions[spec.name]), (name, spec.name)
    assert table["classify"].dimensions["prototypes"] == {0: "way"}
    items = adapted(4, kmeta.SiameseNetwork)
    assert endpoints.table(items)["classify"].dimensions["labels"] == {0: "items"}


def test_functions_say_what_the_classifier_does(growing):
    table = endpoints.table(growing)
    expected = np.asarray(growing(IMAGES))
    likeliest = [growing.class_names[i] for i in expected.argmax(-1)]
    names = np.where(expected.max(-1) < 0.6, "unknown", likeliest)

    def call(name, *given):
        endpoint = table[name]
        return {n: np.asarray(x) for n, x in endpoint.function(*given, **endpoint.settings).items()}

    served = call("serving_default", IMAGES)
    assert set(served) == {"probabilities", "label", "score"}
    np.testing.assert_allclose(served["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(served["score"], expected.max(-1), atol=1e-6)
    assert served["label"].astype(str).tolist() == names.tolist()
    network = growing.learner.network
    np.testing.assert_allclose(call("embed", IMAGES)["embeddings"], network(IMAGES), atol=1e-6)
    state = call("adapt", IMAGES[:2], tf.constant([0, 1], tf.int64))
    np.testing.assert_allclose(state["prototypes"], network(IMAGES[:2]), atol=1e-6)
    for found in (
        call("classify", IMAGES, state["prototypes"]),
        call("episode", IMAGES[:2], tf.constant([0, 1], tf.int64), IMAGES),
    ):
        assert set(found) == ANSWERS
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
        known = np.where(expected.max(-1) < 0.6, -1, expected.argmax(-1))
        np.testing.assert_array_equal(found["index"], known)


def test_the_reference_is_finite(growing):
    np.testing.assert_allclose(endpoints.reference(growing, IMAGES), growing(IMAGES), atol=1e-7)
    broken = adapted(4)
    broken.set_weights([np.full_like(w, np.nan) for w in broken.get_weights()])
    with pytest.raises(ValueError, match="must give finite probabilities on the sample"):
        endpoints.reference(broken, IMAGES)
