import keras
import numpy as np
import oracles
import pytest
from keras import ops

from kmeta.layers import MemoryCell
from kmeta.ops import differentiation
from kmeta.ops import memory as lrua

UNITS, SLOTS, WIDTH, HEADS, FEATURES, STEPS, BATCH = 7, 6, 5, 2, 4, 20, 3


def make_cell(**options):
    keras.utils.set_random_seed(5)
    settings = {"units": UNITS, "slots": SLOTS, "width": WIDTH, "heads": HEADS, "decay": 0.9}
    cell = MemoryCell(**{**settings, **options}, dtype="float64")
    cell.build((None, FEATURES))
    rng = np.random.default_rng(6)
    for weight in cell.weights:
        weight.assign(rng.normal(size=weight.shape))
    return cell


def inputs(steps=STEPS):
    return np.random.default_rng(7).normal(size=(BATCH, steps, FEATURES))


def run(cell, x):
    """Output of every step, and the states at the end."""
    output, *states = keras.layers.RNN(
        cell, return_sequences=True, return_state=True, dtype="float64"
    )(ops.convert_to_tensor(x))
    return ops.convert_to_numpy(output), [ops.convert_to_numpy(state) for state in states]


def expected(cell, x):
    """The same by the oracle, one sequence after another."""
    weights = [ops.convert_to_numpy(weight) for weight in cell.weights]
    outputs, states = [], []
    for sequence in x:
        first = np.eye(SLOTS)[0]
        state = (
            *(np.zeros(UNITS) for _ in range(2)),
            np.full((SLOTS, WIDTH), 1e-6),
            np.full((HEADS, WIDTH), 1e-6),
            np.tile(first, (HEADS, 1)),
            first,
        )
        rows = []
        for step in sequence:
            row, state = oracles.memory_step(step, state, weights, HEADS, cell.decay, cell.scale)
            rows.append(row)
        outputs.append(rows)
        states.append([part.ravel() for part in state])
    return np.array(outputs), [np.array(part) for part in zip(*states, strict=True)]


def agrees(cell, x=None):
    x = inputs() if x is None else x
    output, states = run(cell, x)
    wanted, wanted_states = expected(cell, x)
    pairs = [(output, wanted), *zip(states, wanted_states, strict=True)]
    return max(np.abs(a - b).max() for a, b in pairs) < 1e-6


@pytest.mark.parametrize("options", [{}, {"scale": 7.0}, {"decay": 0.5}])
def test_twenty_steps_equal_the_oracle(options):
    assert agrees(make_cell(**options))


def without_erasing(memory, least, weights, vectors):
    return memory + ops.matmul(ops.swapaxes(weights, -1, -2), vectors)


def erasing_another_slot(memory, least, weights, vectors):
    return write(memory, least[:, ::-1], weights, vectors)


def undecayed(usage, read, write, decay):
    return usage + ops.sum(read + write, axis=1)


def one_slot_for_all_heads(usage, heads):
    return ops.repeat(least_used(usage, 1), heads, axis=1)


def forgetting_last_reads(gate, read, least):
    return write_weights(gate, ops.zeros_like(read), least)


write, least_used = lrua.write, lrua.least_used
read_weights, write_weights = lrua.read_weights, lrua.write_weights


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("write", without_erasing),
        ("write", erasing_another_slot),
        ("decayed_usage", undecayed),
        ("least_used", one_slot_for_all_heads),
        ("write_weights", forgetting_last_reads),
    ],
)
def test_the_comparison_notices(monkeypatch, name, wrong):
    monkeypatch.setattr(lrua, name, wrong)
    assert not agrees(make_cell())


def test_the_comparison_notices_a_read_before_the_write(monkeypatch):
    """Reading from the memory of the step before gives other numbers."""
    seen = {}

    def remember(memory, *rest):
        seen["memory"] = memory
        return write(memory, *rest)

    monkeypatch.setattr(lrua, "write", remember)
    monkeypatch.setattr(
        lrua,
        "read_weights",
        lambda keys, memory, scale: read_weights(keys, seen["memory"], scale),
    )
    monkeypatch.setattr(lrua, "read", lambda weights, memory: ops.matmul(weights, seen["memory"]))
    assert not agrees(make_cell())


def test_usage_is_constant_for_gradients():
    usage = ops.convert_to_tensor(np.random.default_rng(0).random((2, SLOTS)))
    weights = ops.convert_to_tensor(np.random.default_rng(1).random((2, HEADS, SLOTS)))

    def through(sort):
        def loss(values):
            return ops.sum(sort(values[0]) * weights), None

        return np.abs(differentiation.value_and_gradients(loss, [usage])[1][0]).max()

    assert through(lambda usage: least_used(usage, HEADS)) == 0

    def leaking(usage):
        """The marks with the usage itself as their gradient (straight through)."""
        marks = least_used(usage, HEADS)
        soft = ops.softmax(-usage, axis=-1)[:, None]
        return marks + soft - ops.stop_gradient(soft)

    assert through(leaking) > 0.01


def test_gradients_of_the_cell_are_exact():
    """Central differences through eight steps: nothing flows by way of the usage sort."""
    cell = make_cell()
    x = ops.convert_to_tensor(inputs(8))
    rnn = keras.layers.RNN(cell, return_sequences=True, dtype="float64")
    target = np.random.default_rng(8).normal(size=(BATCH, 8, cell.output_size))

    def loss(values):
        with keras.StatelessScope(zip(cell.weights, values, strict=True)):
            return ops.sum(ops.square(rnn(x) - target)), None

    values = differentiation.read(cell.weights)
    _, gradients = differentiation.value_and_gradients(loss, values)
    rng = np.random.default_rng(9)
    direction = [rng.normal(size=value.shape) for value in values]
    slope = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    step = 1e-6
    ahead, behind = (
        loss([v + sign * step * d for v, d in zip(values, direction, strict=True)])[0]
        for sign in (1, -1)
    )
    assert float(slope) == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-6)


def test_least_used_slots_by_hand():
    marks = least_used(ops.convert_to_tensor([[0.5, 0.0, 0.3, 0.0, 0.1]]), 3)
    np.testing.assert_array_equal(
        marks, [[[0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]]
    )  # of equals, the first


def test_a_step_by_hand():
    """One head, two slots: half of the key goes to the slot last read, half to the least used."""
    memory = ops.convert_to_tensor([[[1.0, 0.0], [5.0, 5.0]]])
    read, usage = ops.convert_to_tensor([[[1.0, 0.0]]]), ops.convert_to_tensor([[1.0, 0.2]])
    least = lrua.least_used(usage, 1)
    weights = lrua.write_weights(ops.zeros((1, 1)), read, least)
    np.testing.assert_allclose(weights, [[[0.5, 0.5]]])
    memory = lrua.write(memory, least, weights, ops.convert_to_tensor([[[2.0, 4.0]]]))
    np.testing.assert_allclose(memory, [[[2.0, 2.0], [1.0, 2.0]]])
    read = lrua.read_weights(ops.convert_to_tensor([[[0.0, 3.0]]]), memory)
    odds = np.exp([1 / np.sqrt(2), 2 / np.sqrt(5)])
    np.testing.assert_allclose(read[0, 0], odds / odds.sum(), rtol=1e-6)
    np.testing.assert_allclose(
        lrua.decayed_usage(usage, read, weights, 0.5), [[0.5, 0.1] + read[0, 0] + 0.5], rtol=1e-6
    )


def test_feedforward_controller_has_no_hidden_state():
    cell = make_cell(controller="feedforward")
    assert len(cell.state_size) == 4
    x = inputs(1)
    output, _ = run(cell, x)
    kernel, bias = (ops.convert_to_numpy(w) for w in cell.control.weights)
    reads = np.full((BATCH, HEADS * WIDTH), 1e-6)
    hidden = np.tanh(np.concatenate([x[:, 0], reads], axis=1) @ kernel + bias)
    np.testing.assert_allclose(output[:, 0, :UNITS], hidden)


def test_functional_models_take_the_cell():
    images = keras.Input((STEPS, FEATURES))
    model = keras.Model(images, keras.layers.RNN(make_cell())(images))
    x = inputs()
    np.testing.assert_allclose(
        model.predict(x, verbose=0), run(make_cell(), x)[0][:, -1], atol=1e-5
    )
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 0}, "`units` must be a positive integer. Received: units=0"),
        ({"slots": 2.0}, "`slots` must be a positive integer. Received: slots=2.0"),
        ({"heads": 7}, "`heads` must be at most the number of slots"),
        ({"decay": 1.5}, "`decay` must be a finite number from 0 to 1. Received: decay=1.5"),
        ({"controller": "gru"}, "`controller` must be one of .'lstm', 'feedforward'."),
        ({"decay": "a"}, "`decay` must be a finite number from 0 to 1. Received: decay='a'"),
        ({"decay": True}, "`decay` must be a finite number from 0 to 1. Received: decay=True"),
        ({"scale": 0}, "`scale` must be a positive, finite number. Received: scale=0"),
        ({"scale": "8"}, "`scale` must be a positive, finite number. Received: scale='8'"),
        ({"scale": float("inf")}, "`scale` must be a positive, finite number. Received: scale=inf"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        make_cell(**options)
