"""One step of the memory against loops over heads and slots, and by hand."""

import numpy as np
import oracles
import pytest

from kmeta.ops import memory as lrua

rng = np.random.default_rng(5)
BATCH, HEADS, SLOTS, WIDTH = 2, 3, 6, 4
READ = oracles.softmax(rng.normal(size=(BATCH, HEADS, SLOTS)))
USAGE, MEMORY = rng.random((BATCH, SLOTS)), rng.normal(size=(BATCH, SLOTS, WIDTH))
KEYS, GATE = rng.normal(size=(BATCH, HEADS, WIDTH)), rng.normal(size=(BATCH, HEADS))


def test_least_used_by_hand():
    found = lrua.least_used(np.float32([[3, 1, 2, 1]]), 3)
    np.testing.assert_array_equal(found, np.eye(4)[[[1, 3, 2]]])  # the first of equals comes first


def test_a_step_equals_loops():
    least = np.array(lrua.least_used(USAGE, HEADS))
    weights = np.array(lrua.write_weights(GATE, READ, least))
    memory = np.array(lrua.write(MEMORY, least, weights, KEYS))
    found = np.array(lrua.read_weights(KEYS, memory, scale=3.0))
    vectors = lrua.read(found, memory)
    usage = lrua.decayed_usage(USAGE, found, weights, 0.9)
    for b in range(BATCH):
        order = np.argsort(USAGE[b], kind="stable")
        expected, spent = MEMORY[b].copy(), 0.9 * USAGE[b]
        expected[order[0]] = 0
        for j in range(HEADS):
            share = 1 / (1 + np.exp(-GATE[b, j]))
            for i in range(SLOTS):
                weight = share * READ[b, j, i] + (1 - share) * (i == order[j])
                assert weights[b, j, i] == pytest.approx(weight)
                expected[i] += weight * KEYS[b, j]
                spent[i] += weight
        np.testing.assert_allclose(memory[b], expected, rtol=1e-9)
        attention = oracles.softmax(3.0 * oracles.cosine(KEYS[b], expected))
        np.testing.assert_allclose(found[b], attention, rtol=1e-9)
        np.testing.assert_allclose(vectors[b], attention @ expected, rtol=1e-9)
        np.testing.assert_allclose(usage[b], spent + attention.sum(0), rtol=1e-9)


def test_errors_come_first():
    with pytest.raises(ValueError, match=r"Expected `usage` of shape `\[batch, slots\]`"):
        lrua.least_used(READ, HEADS)
    with pytest.raises(ValueError, match="Expected `gate`.*Received: gate.shape="):
        lrua.write_weights(GATE[:, :2], READ, READ)
    with pytest.raises(ValueError, match="Expected `memory`.*vectors.shape=.2, 3, 3."):
        lrua.write(MEMORY, READ, READ, KEYS[..., :3])
    with pytest.raises(ValueError, match="Expected `keys`"):
        lrua.read_weights(KEYS[..., :3], MEMORY)
    with pytest.raises(ValueError, match="Expected `weights`"):
        lrua.read(READ[..., :3], MEMORY)
    with pytest.raises(ValueError, match="Expected `usage`"):
        lrua.decayed_usage(USAGE[:, :2], READ, READ, 0.9)
