"""Padding of support sets: items whose label rows are zero, and which never count."""

from typing import Any

from keras import ops, tree

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_shapes


def valid_items(labels: Tensor) -> Tensor:
    """Which items are no padding.

    Args:
        labels: `[..., items, way]`, zeros for padding.

    Returns:
        `[..., items]` booleans.

    Example:
        >>> np.array(valid_items(np.array([[[1.0, 0.0], [0.0, 0.0]]])))
        array([[ True, False]])
    """
    check_shapes(labels=(labels, "... items way"))
    return ops.any(ops.not_equal(labels, 0), axis=-1)


def padding_last(sequences: Tensor, valid: Tensor) -> tuple[Any, Tensor]:
    """Sequences whose padding comes after all their items, which keep their order.

    Args:
        sequences: structure of tensors `[tasks, items, features]`.
        valid: `[tasks, items]` booleans.

    Returns:
        `(sequences, valid)`, both in the new order.

    Example:
        >>> valid = np.array([[True, False, True]])
        >>> x, valid = padding_last(np.array([[[5.0], [0.0], [7.0]]]), valid)
        >>> np.ravel(x), np.array(valid)
        (array([5., 7., 0.]), array([[ True,  True, False]]))
    """
    check_shapes(valid=(valid, "tasks items"))
    items = ops.shape(valid)[1]
    place = ops.arange(items, dtype="int32") + items * ops.cast(~valid, "int32")
    order = ops.argsort(place, axis=1)

    def sort(x):
        check_shapes(sequences=(x, "tasks items features"), valid=(valid, "tasks items"))
        return ops.take_along_axis(x, order[..., None], axis=1)

    return tree.map_structure(sort, sequences), ops.take_along_axis(valid, order, axis=1)


def last_item(sequence: Tensor, valid: Tensor) -> Tensor:
    """The last item of each sequence, whose padding comes last; zeros where it has none.

    Args:
        sequence: `[tasks, items, features]`.
        valid: `[tasks, items]` booleans.

    Returns:
        `[tasks, features]`.

    Example:
        >>> np.array(last_item(np.array([[[5.0], [7.0], [0.0]]]), np.array([[True, True, False]])))
        array([[7.]])
    """
    check_shapes(sequence=(sequence, "tasks items features"), valid=(valid, "tasks items"))
    count = ops.sum(ops.cast(valid, "int32"), axis=1)
    before = ops.pad(sequence, ((0, 0), (1, 0), (0, 0)))
    return ops.take_along_axis(before, count[:, None, None], axis=1)[:, 0]
