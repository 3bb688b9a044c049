"""Matching Networks against loops in NumPy, in float64."""

import keras
import numpy as np
import oracles
import pytest
from keras import ops

import kmeta
from kmeta import Episode, Support
from kmeta.ops.attention import attention_read, label_log_probabilities
from kmeta.ops.differentiation import value_and_gradients

rng = np.random.default_rng(9)
X, QUERY = rng.normal(size=(2, 7, 4)), rng.normal(size=(2, 5, 4))
LABELS = np.eye(3)[[[0, 0, 1, 2, 2, 2, 1], [2, 1, 0, 0, 0, 1, 1]]]
EPISODE = Episode(Support(X, LABELS), QUERY)


def made(**options):
    """A matching network on features as they are, with random recurrent weights."""
    learner = kmeta.MatchingNetwork(
        keras.layers.Identity(dtype="float64"), dtype="float64", **options
    )
    learner.build((4,))
    for weight in learner.weights:
        weight.assign(rng.normal(size=weight.shape))
    return learner


def numbers(layer):
    return [ops.convert_to_numpy(weight) for weight in layer.weights]


def expected(learner):
    """Probabilities of EPISODE, query by query."""
    out = np.zeros((2, 5, 3))
    for t, q in np.ndindex(2, 5):
        support, query = X[t], QUERY[t, q]
        if learner.full_context:
            lstm = learner.support_context.lstm
            support = oracles.support_context(
                support, numbers(lstm.forward_layer), numbers(lstm.backward_layer)
            )
            query = oracles.query_context(
                query, support, numbers(learner.query_context.cell), learner.read_steps
            )
        out[t, q] = oracles.matching(query, support, LABELS[t], learner.scale)
    return out


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 7.0},
        {"full_context": True, "read_steps": 1},
        {"full_context": True, "read_steps": 4, "scale": 5.0},
    ],
)
def test_equals_the_loops(options):
    learner = made(**options)
    np.testing.assert_allclose(ops.exp(learner(EPISODE)), expected(learner), rtol=1e-6, atol=1e-9)


def test_a_backward_pass_left_reversed_would_be_noticed(monkeypatch):
    learner = made(full_context=True)
    right = oracles.support_context

    def wrong(embedded, forward, backward):
        ahead, back = oracles.lstm(embedded, forward), oracles.lstm(embedded[::-1], backward)
        return embedded + np.array(ahead) + np.array(back)

    assert (
        abs(
            right(X[0], *[numbers(learner.support_context.lstm.forward_layer)] * 2)
            - wrong(X[0], *[numbers(learner.support_context.lstm.forward_layer)] * 2)
        ).max()
        > 0.1
    )
    monkeypatch.setattr(oracles, "support_context", wrong)
    assert abs(ops.convert_to_numpy(ops.exp(learner(EPISODE))) - expected(learner)).max() > 1e-3


def test_logits_are_log_probabilities_so_that_the_softmax_comes_once():
    learner = made(scale=3.0)
    logits = ops.convert_to_numpy(learner(EPISODE))
    np.testing.assert_allclose(np.exp(logits).sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(oracles.softmax(logits), np.exp(logits), rtol=1e-12)
    classifier = learner.adapt(X[0], LABELS[0].argmax(-1))
    np.testing.assert_allclose(classifier(QUERY[0]), np.exp(logits[0]), rtol=1e-5)


def test_the_bound_of_the_literal_form():
    """Twenty one-shot classes, a query equal to one item and opposite to the others: 0.28."""
    support = np.concatenate([[[1.0, 0.0]], np.tile([[-1.0, 0.0]], (19, 1))])
    probabilities = oracles.matching(support[0], support, np.eye(20), 1.0)
    cosines = oracles.cosine(support[:1], support)[None]
    ours = ops.exp(label_log_probabilities(ops.convert_to_tensor(cosines), np.eye(20)[None]))
    np.testing.assert_allclose(ours[0, 0], probabilities, rtol=1e-6)
    assert probabilities[0] == pytest.approx(0.28, abs=0.005)


def test_first_read_is_the_mean_of_the_support_set():
    valid = np.array([[True] * 7, [True] * 5 + [False] * 2])
    read = attention_read(np.zeros((2, 5, 4)), X, valid)
    np.testing.assert_allclose(read[0, 0], X[0].mean(0), rtol=1e-9)
    np.testing.assert_allclose(read[1, 3], X[1, :5].mean(0), rtol=1e-9)


@pytest.mark.parametrize("full_context", [False, True])
def test_padding_does_not_count_wherever_it_stands(full_context):
    learner = made(full_context=full_context, scale=4.0)
    x, y = np.insert(X, [2, 5], 9.0, axis=1), np.insert(LABELS, [2, 5], 0.0, axis=1)
    padded = learner(Episode(Support(x, y), QUERY))
    np.testing.assert_allclose(padded, learner(EPISODE), rtol=1e-6, atol=1e-9)


def test_support_and_query_may_have_their_own_networks():
    first, second = (keras.layers.Dense(3, dtype="float64") for _ in range(2))
    shared = kmeta.MatchingNetwork(first, dtype="float64")
    apart = kmeta.MatchingNetwork(first, second, dtype="float64")
    for learner in (shared, apart):
        learner.build((4,))
    f, g = (layer.kernel.numpy() for layer in (first, second))
    for learner, kernel in ((shared, f), (apart, g)):
        probabilities = oracles.matching(QUERY[0, 0] @ f, X[0] @ kernel, LABELS[0], 1.0)
        np.testing.assert_allclose(ops.exp(learner(EPISODE))[0, 0], probabilities, rtol=1e-6)
    assert len(shared.trainable_weights) == 2
    assert len(apart.trainable_weights) == 4


def test_gradients_equal_central_differences():
    similarities = ops.convert_to_tensor(rng.normal(size=(2, 5, 7)))
    target = rng.normal(size=(2, 5, 3))

    def loss(values):
        return ops.sum(target * label_log_probabilities(values[0], LABELS)), None

    _, (gradient,) = value_and_gradients(loss, [similarities])
    direction = rng.normal(size=(2, 5, 7))
    ends = [loss([similarities + shift * direction])[0] for shift in (1e-6, -1e-6)]
    np.testing.assert_allclose(ops.sum(gradient * direction), (ends[0] - ends[1]) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": -1.0}, "`scale` must be a positive, finite number. Received: scale=-1.0"),
        ({"read_steps": 0}, "`read_steps` must be an integer from 1 to 1000. Received"),
        ({"support_embedding": "conv"}, "`support_embedding` must be a Keras layer or model, or"),
        ({"bn_mode": "own"}, "must be one of .'running', 'batch'.. Received: bn_mode='own'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)
