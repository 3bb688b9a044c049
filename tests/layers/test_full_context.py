"""Full context embeddings against loops in NumPy, item by item."""

import numpy as np
import oracles
import pytest
from keras import ops

from kmeta.layers import QueryContext, SupportContext

TASKS, ITEMS, QUERIES, FEATURES = 2, 4, 3, 5
rng = np.random.default_rng(8)
SUPPORT, QUERY = (rng.normal(size=(TASKS, n, FEATURES)) for n in (ITEMS, QUERIES))
ALL = np.ones((TASKS, ITEMS), bool)


def numbers(layer):
    return [ops.convert_to_numpy(weight) for weight in layer.weights]


def disturbed(layer):
    """Biases of zero hide mistakes."""
    layer.build((None, None, FEATURES))
    for weight in layer.weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape))
    return layer


def test_support_items_know_those_before_and_behind():
    layer = disturbed(SupportContext(dtype="float64"))
    found = layer(SUPPORT, ALL)
    both = (numbers(layer.lstm.forward_layer), numbers(layer.lstm.backward_layer))
    for i in range(TASKS):
        np.testing.assert_allclose(found[i], oracles.support_context(SUPPORT[i], *both), rtol=1e-9)


def test_padding_is_no_support_item():
    """At its end, where episodes are padded, and between items."""
    layer = disturbed(SupportContext(dtype="float64"))
    expected = ops.convert_to_numpy(layer(SUPPORT, ALL))
    for places in ([ITEMS], [1, 3], [0]):
        x, valid = np.insert(SUPPORT, places, 7.0, axis=1), np.insert(ALL, places, False, axis=1)
        found = ops.convert_to_numpy(layer(x, valid))
        np.testing.assert_allclose(found[valid], expected.reshape(-1, FEATURES), rtol=1e-9)


@pytest.mark.parametrize("read_steps", [1, 3])
def test_queries_read_the_support_set(read_steps):
    layer = disturbed(QueryContext(read_steps, dtype="float64"))
    found = layer(QUERY, SUPPORT, ALL)
    for t, q in np.ndindex(TASKS, QUERIES):
        expected = oracles.query_context(QUERY[t, q], SUPPORT[t], numbers(layer.cell), read_steps)
        np.testing.assert_allclose(found[t, q], expected, rtol=1e-9)


def test_queries_do_not_read_padding():
    layer = disturbed(QueryContext(2, dtype="float64"))
    x, valid = np.insert(SUPPORT, [0, 2], 7.0, axis=1), np.insert(ALL, [0, 2], False, axis=1)
    np.testing.assert_allclose(layer(QUERY, x, valid), layer(QUERY, SUPPORT, ALL), rtol=1e-9)


def test_options():
    copy = QueryContext.from_config(QueryContext(5).get_config())
    assert copy.read_steps == 5 and QueryContext().read_steps == 3
    with pytest.raises(ValueError, match="`read_steps` must be an integer from 1 to 1000"):
        QueryContext(0)
