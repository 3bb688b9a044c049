"""Padding between the items of support sets."""

import numpy as np
import pytest

from kmeta.ops.padding import last_item, padding_last, valid_items

LABELS = (
    np.eye(3)[[[0, 1, 2, 0], [2, 1, 0, 0]]] * np.float64([[1, 0, 1, 0], [0, 0, 0, 0]])[..., None]
)


def test_items_with_a_label_count():
    np.testing.assert_array_equal(valid_items(LABELS), [[1, 0, 1, 0], [0, 0, 0, 0]])


def test_padding_goes_behind_the_items_which_keep_their_order():
    x = np.arange(8.0).reshape(2, 4, 1)
    parts, valid = padding_last((x, {"twice": 2 * x}), valid_items(LABELS))
    np.testing.assert_array_equal(valid, [[1, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(parts[0][..., 0], [[0, 2, 1, 3], [4, 5, 6, 7]])
    np.testing.assert_array_equal(parts[1]["twice"], 2 * parts[0])
    np.testing.assert_array_equal(last_item(parts[0], valid), [[2], [0]])


def test_nothing_moves_without_padding():
    x, valid = np.arange(6.0).reshape(1, 3, 2), np.ones((1, 3), bool)
    moved, still = padding_last(x, valid)
    np.testing.assert_array_equal(moved, x)
    np.testing.assert_array_equal(still, valid)
    np.testing.assert_array_equal(last_item(x, valid), x[:, 2])


def test_errors():
    with pytest.raises(ValueError, match="Expected `sequences`.*Received: sequences.shape="):
        padding_last(np.zeros((2, 5, 1)), valid_items(LABELS))
    with pytest.raises(ValueError, match="Expected `labels`"):
        valid_items(np.zeros(3))
