"""The learned optimizer against loops in NumPy."""

import keras
import numpy as np
import oracles
import pytest

from kmeta.layers import LearnedOptimizer
from kmeta.ops.learned_optimizer import cell_update, gate, preprocess

rng = np.random.default_rng(3)


def test_preprocess_by_hand():
    small = np.exp(-10.0)
    x = np.array([1.0, -np.e, small, 0.0, -small / 2, small / 4])
    expected = [[0, 1], [0.1, -1], [-1, 1], [-1, 0], [-1, -0.5], [-1, 0.25]]
    np.testing.assert_allclose(preprocess(x), expected, atol=1e-12)
    np.testing.assert_allclose(preprocess(np.array([np.exp(-3.0)]), p=2.0), [[-1, np.exp(-1)]])


def test_preprocess_equals_the_loop_for_all_magnitudes():
    x = rng.normal(size=200) * np.exp(rng.uniform(-25, 5, 200))
    expected = [oracles.preprocessed(value) for value in x]
    np.testing.assert_allclose(preprocess(x), expected, rtol=1e-9)


def test_gate_and_update_by_hand():
    hidden, theta, previous = np.array([[1.0, 2.0]]), np.array([3.0]), np.array([5.0])
    kernel = np.array([[0.1], [0.2], [0.3], [0.4]])
    value = gate(hidden, theta, previous, kernel, np.array([-1.0]))
    np.testing.assert_allclose(value, [0.1 + 0.4 + 0.9 + 2.0 - 1.0])
    none, zero = np.array([-50.0]), np.array([0.0])
    np.testing.assert_allclose(cell_update(theta, np.array([2.0]), -none, none), theta)
    np.testing.assert_allclose(cell_update(theta, np.array([2.0]), zero, zero), [0.5])


def test_twenty_steps_equal_a_loop_over_coordinates():
    keras.utils.set_random_seed(1)
    layer = LearnedOptimizer(4, dtype="float64")
    layer.build()
    for weight in layer.weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape))
    names = {
        weight.path.split("/")[-1] if "cell" not in weight.path else weight.name: weight
        for weight in layer.weights
    }
    weights = [
        *layer.cell.get_weights(),
        *(
            names[f"{gate}_{part}"].numpy()
            for gate in ("forget", "update")
            for part in ("kernel", "bias")
        ),
    ]
    theta = ours = rng.normal(size=6)
    state = layer.initial_state(keras.ops.convert_to_tensor(theta))
    loops = [(np.zeros(4), np.zeros(4), 0.0, 0.0)] * 6
    for _ in range(20):
        gradient = rng.normal(size=6) * np.exp(rng.uniform(-15, 2, 6))
        loss = rng.uniform(0, 3)
        ours, state = layer(ours, gradient, keras.ops.convert_to_tensor(loss, "float64"), state)
        theta, loops = oracles.learned_update(theta, gradient, loss, loops, weights)
        np.testing.assert_allclose(ours, theta, rtol=1e-6)
    assert abs(theta).max() > 1e-3


def test_weights_begin_as_published():
    layer = LearnedOptimizer(20)
    layer.build()
    assert [tuple(w.shape) for w in layer.cell.weights] == [(4, 80), (20, 80), (80,)]
    for weight in (*layer.cell.weights, layer.forget_kernel, layer.update_kernel):
        assert 0.004 < abs(weight.numpy()).max() <= 0.01
    assert 4 <= layer.forget_bias.numpy()[0] <= 5
    assert -5 <= layer.update_bias.numpy()[0] <= -4
    # no two parts begin alike
    assert not np.allclose(layer.cell.weights[0][0], layer.cell.weights[1][0])
    assert not np.allclose(layer.forget_kernel, layer.update_kernel)


def test_bad_units_and_configuration():
    with pytest.raises(ValueError, match="`units` must be a positive integer. Received: units=0"):
        LearnedOptimizer(0)
    assert LearnedOptimizer.from_config(LearnedOptimizer(7).get_config()).units == 7
