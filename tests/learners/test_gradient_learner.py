"""What learners share that adapt weights task by task, with an inner loop that can be seen through:
a linear network whose weights become twice what they were, plus the mean of the support set.
"""

import keras
import numpy as np
import oracles
import pytest
from keras import layers, ops

from kmeta import Episode, Support
from kmeta.learners import stateless
from kmeta.learners.optimization.gradient_learner import BN_MODES, GradientLearner
from kmeta.ops import differentiation

TASKS, WAY, FEATURES = 2, 3, 4
rng = np.random.default_rng(5)
X, QUERY = (rng.normal(size=(TASKS, n, FEATURES)).astype("float32") for n in (5, 3))
LABELS = np.eye(WAY, dtype="float32")[[[0, 1, 2, 0, 1], [2, 1, 0, 0, 2]]]
EPISODE = Episode(Support(X, LABELS), QUERY)
QUERY_Y = np.array([[0, 1, 2], [2, 2, 0]], "int32")


class Doubled(GradientLearner):
    """Kernel `2 W + mean(x)`, the bias as it was; statistics as the network has them."""

    def __init__(self, network, bn_mode="support"):
        super().__init__(network, bn_mode, BN_MODES)

    def inner_loop(self, support, training):
        network = stateless.variables(self.network)
        weights, fixed, seeds = map(differentiation.read, network)
        weights[-2] = 2 * weights[-2] + ops.mean(support.x)
        return stateless.NetworkState(weights, fixed, seeds)


@pytest.fixture(params=BN_MODES)
def bn_mode(request):
    return request.param


def made(bn_mode, *front):
    keras.utils.set_random_seed(1)
    network = keras.Sequential([*front, layers.Dense(WAY, bias_initializer="normal")])
    learner = Doubled(network, bn_mode)
    learner.build((FEATURES,))
    return learner


def adapted(learner, x):
    kernel, bias = (ops.convert_to_numpy(w) for w in learner.network.layers[-1].weights)
    return 2 * kernel + x.mean(), bias


def test_each_task_is_answered_by_its_own_weights(bn_mode):
    learner = made(bn_mode)
    found = learner(EPISODE)
    for i in range(TASKS):
        kernel, bias = adapted(learner, X[i])
        np.testing.assert_allclose(found[i], QUERY[i] @ kernel + bias, rtol=1e-4, atol=1e-5)
        state = learner.adapt_state(Support(X, LABELS))["weights"]
        np.testing.assert_allclose(state[0][i], kernel, rtol=1e-5)


def test_statistics_of_each_mode(bn_mode):
    """Of the support set, of it and one query, of the queries, or kept."""
    learner = made(bn_mode, layers.BatchNormalization(epsilon=0.1))
    norm = learner.network.layers[0]
    norm.moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    norm.moving_variance.assign([1.0, 2.0, 3.0, 4.0])
    kept = [ops.convert_to_numpy(w) for w in (norm.moving_mean, norm.moving_variance)]
    found = learner(EPISODE)
    for t, q in np.ndindex(TASKS, QUERY.shape[1]):
        seen = {
            "support": X[t],
            "support+1": np.concatenate([X[t], QUERY[t, q : q + 1]]),
            "batch": QUERY[t],
        }.get(bn_mode)
        mean, variance = kept if seen is None else (seen.mean(0), seen.var(0))
        kernel, bias = adapted(learner, X[t])
        expected = (QUERY[t, q] - mean) / np.sqrt(variance + 0.1) @ kernel + bias
        np.testing.assert_allclose(found[t, q], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(norm.moving_mean, kept[0])  # answering changes nothing
    deployed = learner.adapt_state(Support(X, LABELS), deployed=True)
    assert ("fixed" in deployed) and "support_x" not in deployed


def test_the_outer_step_is_that_of_the_mean_loss():
    """Plain SGD against the gradient by hand, `dW* / dW = 2`, and the loss that is reported."""
    learner = made("support")
    learner.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    kernel, bias = (ops.convert_to_numpy(w) for w in learner.network.layers[-1].weights)
    d_kernel, d_bias, losses = np.zeros_like(kernel), np.zeros_like(bias), []
    for i in range(TASKS):
        one_hot = np.eye(WAY)[QUERY_Y[i]]
        weights = (*adapted(learner, X[i]), QUERY[i])
        probabilities = oracles.softmax(weights[2] @ weights[0] + weights[1])
        losses.append(-np.log((probabilities * one_hot).sum(-1)).mean())
        by_kernel, by_bias = oracles.linear_gradient(*weights, one_hot)
        d_kernel, d_bias = d_kernel + 2 * by_kernel / TASKS, d_bias + by_bias / TASKS
    loss = learner.train_on_batch(EPISODE, QUERY_Y)[0]
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    after = [ops.convert_to_numpy(w) for w in learner.network.layers[-1].weights]
    np.testing.assert_allclose(after[0], kernel - 0.5 * d_kernel, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after[1], bias - 0.5 * d_bias, rtol=1e-4, atol=1e-5)


def test_weights_of_tasks_count_in_the_loss():
    learner = made("support")
    learner.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    whole = learner.train_on_batch(EPISODE, QUERY_Y)[0]
    halved = learner.train_on_batch(EPISODE, QUERY_Y, np.full(QUERY_Y.shape, 0.5))[0]
    assert halved == pytest.approx(whole / 2, rel=1e-5)


@pytest.mark.parametrize(("mode", "moves"), [("support", False), ("batch", True)])
def test_training_moves_the_kept_statistics_where_they_are_used(mode, moves):
    learner = made(mode, layers.BatchNormalization(momentum=0.5))
    learner.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    learner.train_on_batch(EPISODE, QUERY_Y)
    mean = ops.convert_to_numpy(learner.network.layers[0].moving_mean)
    expected = 0.5 * QUERY.mean((0, 1)) if moves else np.zeros(FEATURES)  # mean of the tasks'
    np.testing.assert_allclose(mean, expected, atol=1e-5)


def test_losses_that_are_sums_are_refused():
    with pytest.raises(ValueError, match="`loss` must not be a sum"):
        made("support").compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
        )


def test_another_way_than_the_network_has():
    learner = made("support")
    with pytest.raises(ValueError, match="3 classes.*support set has 2"):
        learner.support_loss(np.zeros((5, WAY)), Support(X[0], LABELS[0][:, :2]))
