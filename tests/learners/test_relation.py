"""Relation Networks against NumPy."""

import keras
import numpy as np
import oracles
import pytest
from keras import ops

import kmeta
from kmeta import Episode, Support
from kmeta.layers import RelationEmbedding, RelationModule
from kmeta.learners.metric.relation import RelationLoss

rng = np.random.default_rng(10)
X, QUERY = (rng.random((2, n, 22, 22, 1)).astype("float32") for n in (5, 4))
LABELS = np.eye(3, dtype="float32")[[[0, 0, 1, 2, 1], [2, 1, 0, 1, 1]]]
EPISODE = Episode(Support(X, LABELS), QUERY)


def made(**options):
    learner = kmeta.RelationNetwork(RelationEmbedding(3), RelationModule(4), **options)
    learner.build((22, 22, 1))
    for weight in learner.weights:
        weight.assign(rng.uniform(0.05, 0.4, weight.shape) * rng.choice([-0.7, 1.0], weight.shape))
        if "variance" in weight.path or "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return learner


def blocks(chain, plan):
    """Weights of a chain's convolution blocks, for `oracles.conv_same_blocks`."""
    convolutions = [part for part in chain.layers if isinstance(part, keras.layers.Conv2D)]
    norms = [part for part in chain.layers if isinstance(part, keras.layers.BatchNormalization)]
    for convolution, norm, (padding, pool) in zip(convolutions, norms, plan, strict=True):
        yield [
            *[ops.convert_to_numpy(w) for w in (*convolution.weights, *norm.weights)],
            norm.epsilon,
            padding,
            pool,
        ]


def expected(learner):
    """Relation scores, pair by pair."""
    embedding = list(blocks(learner.network, [("valid", True)] * 2 + [("same", False)] * 2))
    module = list(blocks(learner.relation_module, [("same", True)] * 2))
    dense = [
        ops.convert_to_numpy(w)
        for part in learner.relation_module.layers[-2:]
        for w in part.weights
    ]
    scores = np.zeros((2, 4, 3))
    for t, q, c in np.ndindex(2, 4, 3):
        items = X[t][LABELS[t, :, c] == 1]
        maps = sum(oracles.conv_same_blocks(item[None], embedding) for item in items)
        query = oracles.conv_same_blocks(QUERY[t, q][None], embedding)
        pair = oracles.conv_same_blocks(np.concatenate([maps, query], axis=-1), module)
        hidden = np.maximum(pair.reshape(1, -1) @ dense[0] + dense[1], 0)
        scores[t, q, c] = oracles.sigmoid(hidden @ dense[2] + dense[3])[0, 0]
    return scores


def test_scores_equal_the_loops_with_support_maps_summed():
    learner = made()
    scores = expected(learner)
    assert 1e-3 < scores.min() < 0.9 * scores.max()
    np.testing.assert_allclose(ops.exp(learner(EPISODE)), scores, rtol=1e-4)


class Halved(RelationModule):
    """Knows pairs only."""

    def call(self, x, training=None):
        return super().call(x, training) / 2


def test_any_model_may_compare_the_pairs():
    learner = made()
    inputs = keras.Input((4, 4, 6))
    own = keras.Model(inputs, learner.relation_module(inputs))
    other = kmeta.RelationNetwork(learner.network, own)
    np.testing.assert_allclose(other(EPISODE), learner(EPISODE), rtol=1e-4)
    halved = kmeta.RelationNetwork(learner.network, Halved(4))
    halved.build((22, 22, 1))
    halved.relation_module.set_weights(learner.relation_module.get_weights())
    scores = oracles.sigmoid(np.log(expected(learner) / (1 - expected(learner))) / 2)
    np.testing.assert_allclose(ops.exp(halved(EPISODE)), scores, rtol=1e-4)


def test_probabilities_are_scores_by_their_sum():
    learner = made()
    scores = expected(learner)[0]
    classifier = learner.adapt(X[0], LABELS[0].argmax(-1))
    np.testing.assert_allclose(
        classifier(QUERY[0]), scores / scores.sum(-1, keepdims=True), rtol=1e-4
    )


def test_published_sizes():
    maps = RelationEmbedding()(np.zeros((1, 28, 28, 1), "float32"))
    assert maps.shape == (1, 5, 5, 64)
    assert RelationEmbedding()(np.zeros((1, 84, 84, 3), "float32")).shape == (1, 19, 19, 64)
    module = RelationModule()
    module.build((None, 5, 5, 128))
    assert module.layers[-2].kernel.shape == (64, 8)
    mini = RelationModule(padding="valid")
    mini.build((None, 19, 19, 128))
    assert mini.layers[-2].kernel.shape == (576, 8)
    np.testing.assert_array_equal(module.layers[-1].bias, [1.0])
    first = ops.convert_to_numpy(module.layers[0].kernel)
    assert first.std() == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)


def test_loss_is_the_mean_squared_error_of_scores():
    scores = rng.uniform(0.01, 0.99, (2, 4, 3))
    query_y = rng.integers(0, 3, (2, 4))
    loss = RelationLoss()(query_y, np.log(scores))
    assert float(loss) == pytest.approx(np.mean((scores - np.eye(3)[query_y]) ** 2), rel=1e-6)


def test_compile_uses_that_loss():
    learner = made()
    learner.compile()
    query_y = np.array([[0, 1, 2, 0], [1, 1, 2, 0]])
    loss = learner.evaluate(EPISODE, query_y, batch_size=2, verbose=0)[0]
    expected_loss = np.mean((expected(learner) - np.eye(3)[query_y]) ** 2)
    assert loss == pytest.approx(expected_loss, rel=1e-4)


def test_batch_statistics_reach_both_networks():
    learner = made(bn_mode="batch")
    before = ops.convert_to_numpy(learner(EPISODE))
    for norm in (learner.network.layers[1], learner.relation_module.layers[1]):
        norm.moving_mean.assign(norm.moving_mean + 5.0)
    np.testing.assert_allclose(learner(EPISODE), before, atol=1e-5)
    learner.bn_mode = "running"
    assert abs(ops.convert_to_numpy(learner(EPISODE)) - before).max() > 1e-3


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: RelationEmbedding(0), "`filters` must be a positive integer. Received: filters=0"),
        (
            lambda: RelationModule(padding="full"),
            "`padding` must be one of .'same', 'valid'.. Received",
        ),
        (
            lambda: RelationEmbedding().build((None, 5, 5, 1)),
            "output size would be zero or negative",
        ),
        (lambda: RelationModule().build((None, 64)), "expects maps"),
        (
            lambda: kmeta.RelationNetwork(RelationEmbedding(), "cnn"),
            "`relation_module` must be a Keras layer or model, or None. Received: .*'cnn'",
        ),
        (
            lambda: kmeta.RelationNetwork(kmeta.layers.Conv4()).build((28, 28, 1)),
            r"must return feature maps.*Received: an embedding that returns \('batch', 64\)",
        ),
    ],
)
def test_bad_arguments(function, message):
    with pytest.raises(ValueError, match=message):
        function()
