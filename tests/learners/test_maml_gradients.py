"""What the gradients of MAML, first-order MAML and Reptile are, in float64."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kmeta
from kmeta import Episode, Support
from kmeta.ops import differentiation

rng = np.random.default_rng(8)


def network(hidden=3):
    keras.utils.set_random_seed(4)
    parts = [layers.Dense(hidden, activation="tanh", dtype="float64")] if hidden else []
    return keras.Sequential(
        [keras.Input((2,), dtype="float64"), *parts, layers.Dense(1, dtype="float64")]
    )


def data(tasks=1, items=4, seed=0):
    """As (x, y) with a leading axis of tasks."""
    drawn = np.random.default_rng(seed).normal(size=(tasks, items, 3))
    return drawn[..., :2], drawn[..., 2:]


def loss_at(model, theta, x, y):
    """Mean squared error under weights given as one vector, apart from the library's own code."""
    sizes = [int(np.prod(weight.shape)) for weight in model.weights]
    parts = tf.split(theta, sizes)
    for i in range(0, len(parts), 2):
        width = model.weights[i].shape
        x = x @ tf.reshape(parts[i], width) + parts[i + 1]
        x = tf.tanh(x) if i + 2 < len(parts) else x
    return tf.reduce_mean(tf.square(x - y))


def gradient_and_hessian(model, theta, x, y):
    theta = tf.constant(theta)
    with tf.GradientTape() as outer:
        outer.watch(theta)
        with tf.GradientTape() as inner:
            inner.watch(theta)
            loss = loss_at(model, theta, x, y)
        gradient = inner.gradient(loss, theta)
    return gradient.numpy(), outer.jacobian(gradient, theta).numpy()


def flat(values):
    return np.concatenate([np.ravel(value) for value in values])


def gradient_of(learner, support, query):
    """The gradient of a training step, by a step of plain SGD with rate 1."""
    if not learner.built:
        learner.build((2,))
    loss = keras.losses.MeanSquaredError(dtype="float64")
    learner.compile(keras.optimizers.SGD(1.0), loss=loss)
    before = learner.network.get_weights()
    learner.train_step((Episode(Support(*support), query[0]), query[1]))
    after = learner.network.get_weights()
    learner.network.set_weights(before)
    return flat(before) - flat(after)


@pytest.mark.parametrize("hidden", [0, 3])  # 0: the loss is quadratic
@pytest.mark.parametrize("remat", [True, False])
@pytest.mark.parametrize("steps", [1, 4])
def test_meta_gradient_is_the_product_of_all_steps(hidden, remat, steps):
    """`g = L1'(theta_k) prod_i (I - alpha L0''(theta_{i-1}))`."""
    alpha, model = 0.1, network(hidden)
    support, query = data(seed=1), data(seed=2)
    theta = flat(model.get_weights())
    product = np.eye(len(theta))
    for _ in range(steps):
        gradient, hessian = gradient_and_hessian(model, theta, support[0][0], support[1][0])
        product = product @ (np.eye(len(theta)) - alpha * hessian)
        theta = theta - alpha * gradient
    last, _ = gradient_and_hessian(model, theta, query[0][0], query[1][0])
    options = {"inner_loss": "mean_squared_error", "dtype": "float64", "inner_lr": alpha}
    exact = kmeta.MAML(model, steps, remat=remat, **options)
    np.testing.assert_allclose(gradient_of(exact, support, query), product @ last, rtol=1e-9)
    first = kmeta.MAML(model, steps, remat=remat, first_order=True, **options)
    np.testing.assert_allclose(gradient_of(first, support, query), last, rtol=1e-9)
    assert abs(product @ last - last).max() > 1e-3


class SquaredErrorReptile(kmeta.Reptile):
    """Reptile on a smooth loss, for the expansion below."""

    def support_loss(self, logits, support):
        return tf.reduce_mean(tf.square(logits - support.y))


def test_expansions_in_the_inner_rate():
    """Expected over which of two mini-batches comes first, with A the mean gradient and B the mean
    of `L1'' L0'`: MAML is `A - 2 a B`, first-order MAML `A - a B`, Reptile of two steps, divided by
    a, `2 A - a B`, up to O(a^2)."""
    model = network()
    theta = flat(model.get_weights())
    batches = [data(seed=3), data(seed=4)]
    (g0, h0), (g1, h1) = (gradient_and_hessian(model, theta, x[0], y[0]) for x, y in batches)
    a_term, b_term = (g0 + g1) / 2, (h1 @ g0 + h0 @ g1) / 2

    def reptile(alpha):
        """Two steps of gradient descent, on one mini-batch and then the other."""
        learner = SquaredErrorReptile(
            model, 2, alpha, inner_batch=4, inner_optimizer="sgd", dtype="float64"
        )
        learner.build((2,))
        pairs = []
        for order in (batches, batches[::-1]):
            # a support set in an order that the shuffle turns into the mini-batches
            rows = np.array(differentiation.shuffles(0, 0, 8, 8))
            x, y = (np.concatenate(parts, axis=1) for parts in zip(*order, strict=True))
            back = np.argsort(rows)
            pairs.append(gradient_of(learner, (x[:, back], y[:, back]), batches[0]) / alpha)
            learner.steps_taken.assign(0)
        return pairs

    def maml(alpha, first_order):
        learner = kmeta.MAML(
            model, 1, alpha, first_order, inner_loss="mean_squared_error", dtype="float64"
        )
        return [gradient_of(learner, *order) for order in (batches, batches[::-1])]

    rates = np.array([0.04, 0.02, 0.01])
    for gradient, leading, factor in (
        (lambda alpha: maml(alpha, False), a_term, 2),
        (lambda alpha: maml(alpha, True), a_term, 1),
        (reptile, 2 * a_term, 1),
    ):
        errors = []
        for alpha in rates:
            mean = np.mean(gradient(alpha), axis=0)
            errors.append(np.linalg.norm(mean - (leading - factor * alpha * b_term)))
            assert errors[-1] < 0.2 * alpha * np.linalg.norm(b_term)
        order = np.log2(np.array(errors[:-1]) / errors[1:])
        np.testing.assert_allclose(order, 2, atol=0.15)


def test_dropout_in_the_inner_loop_is_the_same_when_a_step_is_computed_again():
    steps = []
    for remat in (True, False):
        keras.utils.set_random_seed(4)
        model = keras.Sequential(
            [
                keras.Input((2,), dtype="float64"),
                layers.Dense(6, activation="tanh", dtype="float64"),
                layers.Dropout(0.5, seed=3, dtype="float64"),
                layers.Dense(1, dtype="float64"),
            ]
        )
        learner = kmeta.MAML(
            model, 3, 0.1, remat=remat, inner_loss="mean_squared_error", dtype="float64"
        )
        steps.append(gradient_of(learner, data(seed=1), data(seed=2)))
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-9)


def peak_memory(*arguments):
    script = Path(__file__).with_name("maml_memory.py")
    command = [sys.executable, str(script), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(result.stdout.splitlines()[-1])


@pytest.mark.slow
def test_memory():
    """MiB that one step of training adds, at 84x84 pixels.

    Measured: 373 for 4 tasks of one inner step and 376 for 16; with `remat` 269 for 4 inner steps
    and 283 for 20, without it 674 and 2249.
    """
    few_tasks, many_tasks = (peak_memory(tasks, 1, 1) for tasks in (4, 16))
    assert many_tasks < 1.25 * few_tasks
    few, many = (peak_memory(1, steps, 1) for steps in (4, 20))
    assert many < 1.5 * few
    few, many = (peak_memory(1, steps, 0) for steps in (4, 20))
    assert many > 2 * few
