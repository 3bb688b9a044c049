import os
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmeta.ops import differentiation

rng = np.random.default_rng(2)


def normalise(x, weights):
    mean, variance = keras.ops.moments(x * weights, axes=[0])
    return tf.reduce_sum(tf.tanh((x * weights - mean) / tf.sqrt(variance + 1e-3)) ** 3)


def hessian_row(x, weights):
    """Gradient of <gradient, direction> and its central difference."""
    direction = tf.constant(rng.normal(size=weights.shape))

    def slope(values):
        (_, _), (gradient,) = differentiation.value_and_gradients(
            lambda w: (normalise(x, w[0]), None), values
        )
        return tf.reduce_sum(gradient * direction), None

    _, (row,) = differentiation.value_and_gradients(slope, [weights])
    shift = 1e-6 * np.eye(weights.shape[0])
    difference = [(slope([weights + s])[0] - slope([weights - s])[0]) / 2e-6 for s in shift]
    return row.numpy(), np.array(difference)


def test_second_derivatives_through_moments_are_exact_only_inside():
    x, weights = tf.constant(rng.normal(size=(6, 3))), tf.constant(rng.normal(size=3))
    with differentiation.exact_moments():
        row, difference = hessian_row(x, weights)
    np.testing.assert_allclose(row, difference, rtol=1e-6, atol=1e-7)
    row, difference = hessian_row(x, weights)
    assert abs(row - difference).max() > 1e-3, "stock moments are exact now: drop exact_moments"


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_moments_have_the_stock_values(keepdims, dtype):
    x = tf.constant(rng.normal(size=(4, 5, 3)), dtype)
    stock = tf.nn.moments(x, [0, 1], keepdims=keepdims)
    with differentiation.exact_moments():
        ours = tf.nn.moments(x, [0, 1], keepdims=keepdims)
    for a, b in zip(ours, stock, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-2 if dtype == "float16" else 1e-5)


def test_exact_moments_nests_survives_errors_and_threads():
    stock = tf.nn.moments
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with differentiation.exact_moments():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    with pytest.raises(RuntimeError), differentiation.exact_moments():
        thread.start()
        entered.wait()
        raise RuntimeError
    assert tf.nn.moments is not stock  # the other thread is still inside
    leave.set()
    thread.join()
    assert tf.nn.moments is stock


@pytest.mark.parametrize("graph", [True, False])
def test_map_and_mean_over_tasks(graph):
    x = tf.constant(rng.normal(size=(5, 3)))

    def both(x):
        mapped = differentiation.map_tasks(lambda task: {"double": 2 * task}, x)
        averaged, stacked, carry = differentiation.mean_over_tasks(
            lambda task, carry: ([task], task**2, 2 * carry + task), x, tf.zeros_like(x[0])
        )
        return mapped["double"], averaged[0], stacked, carry

    double, mean, squares, carry = (tf.function(both) if graph else both)(x)
    np.testing.assert_allclose(double, 2 * x)
    np.testing.assert_allclose(mean, np.mean(x, axis=0))
    np.testing.assert_allclose(squares, np.square(x))
    np.testing.assert_allclose(carry, 2.0 ** np.arange(5)[::-1] @ x.numpy())


@pytest.mark.parametrize("tasks", [1, 2, 8])  # by powers of 2, division is exact
def test_tasks_are_summed_and_hand_on_the_carry_in_their_order(tasks):
    """To the last bit, as the order of floating-point additions shows."""
    x = (rng.normal(size=(tasks, 50)) * 10.0 ** rng.integers(-4, 5, (tasks, 50))).astype("float32")
    function = tf.function(
        lambda x: differentiation.mean_over_tasks(
            lambda task, carry: (task, task, 0.7 * carry + task), x, tf.zeros(50)
        )
    )
    mean, _, carry = function(tf.constant(x))
    total, carried = np.zeros((2, 50), "float32")
    for task in x:
        total, carried = total + task, np.float32(0.7) * carried + task
    np.testing.assert_array_equal(mean, total / np.float32(tasks))
    np.testing.assert_allclose(carry, carried, rtol=1e-5)  # may be one fused operation
    np.testing.assert_array_equal(function(tf.constant(x))[2], carry)


@pytest.mark.skipif(os.cpu_count() == 1, reason="TensorFlow runs one operation at a time")
@pytest.mark.parametrize("carried", [False, True])
def test_two_tasks_are_computed_at_a_time_unless_one_waits_for_the_carry(carried):
    inside, most, lock = 0, 0, threading.Lock()

    def slow(x):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.1)
        with lock:
            inside -= 1
        return x

    def task(x, carry):
        given = x + carry if carried else x
        (result,) = tf.numpy_function(slow, [given], [x.dtype], stateful=False)
        result = tf.ensure_shape(result, ())
        return result, result, result

    mean, _, _ = tf.function(lambda x: differentiation.mean_over_tasks(task, x, x[0] * 0))(
        tf.ones(7)
    )
    assert most == (1 if carried else 2)
    assert float(mean) == (4.0 if carried else 1.0)


class Pair(NamedTuple):
    value: tf.Tensor
    rest: dict


@pytest.mark.parametrize("options", [{}, {"remat": True}, {"unroll": True}])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_repeat_carries_any_structure(steps, options):
    """`x <- r x + step`, and a count beside it; its gradients by x and r are those by hand."""

    def end(values):
        x, r = values["x"], values["given"]["r"]
        state = Pair(x, {"count": tf.constant(3), "none": ()})

        def step(index, state, given):
            moved = given["r"] * state.value + tf.cast(index, tf.float64)
            return Pair(moved, {"count": state.rest["count"] + 2, "none": ()})

        state = differentiation.repeat(step, steps, state, {"r": r}, **options)
        return tf.reduce_sum(state.value), state

    start = {"x": tf.constant([1.0, -2.0], tf.float64), "given": {"r": tf.constant(0.5, "float64")}}
    (_, state), gradients = tf.function(
        lambda: differentiation.value_and_gradients(end, start), autograph=False
    )()
    x, by_r = np.array([1.0, -2.0]), np.zeros(2)
    for index in range(steps):
        x, by_r = 0.5 * x + index, x + 0.5 * by_r
    np.testing.assert_allclose(state.value, x)
    assert int(state.rest["count"]) == 3 + 2 * steps
    np.testing.assert_allclose(gradients["x"], np.full(2, 0.5**steps))
    np.testing.assert_allclose(gradients["given"]["r"], by_r.sum())


def test_repeat_wants_the_structure_it_was_given():
    with pytest.raises(ValueError, match="Expected an instance of tuple"):
        differentiation.repeat(lambda i, state, _: [state[0]], 3, (tf.ones(2), tf.ones(2)))


def test_weights_that_do_not_matter_have_zero_gradients():
    weights = [tf.constant(3.0), tf.constant(4.0)]
    (loss, extra), gradients = differentiation.value_and_gradients(
        lambda w: (w[0] ** 2, "extra"), weights
    )
    assert (float(loss), extra) == (9.0, "extra")
    assert [float(g) for g in gradients] == [6.0, 0.0]


def test_fused_batch_norm_returns_the_biased_variance():
    x = rng.normal(size=(2, 3, 3, 4)).astype("float32")
    _, mean, variance = differentiation.fused_batch_norm(x, np.ones(4, "f"), np.zeros(4, "f"), 1e-3)
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(variance, x.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.slow
def test_threads_of_operations_are_set_until_tensorflow_computes():
    code = """
import tensorflow as tf
from kmeta.ops.differentiation import set_intra_op_threads
set_intra_op_threads(1)
tf.ones(1)
set_intra_op_threads(2)
print(tf.config.threading.get_intra_op_parallelism_threads())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1"
