"""Functions of many columns, a few columns at a time."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kmeta.episode import Tensor
from kmeta.ops.differentiation.tensorflow.gradients import value_and_gradients


def by_columns(function: Callable, columns: Tensor, given: Any, together: int) -> Tensor:
    """`function(columns, given)`, where every column is computed alone, a few columns at a time.

    Memory holds the graph of `together` columns and no more: the backward pass computes it once
    more. On a CPU that takes no longer, since small pieces stay in the cache.

    Args:
        function: takes a piece `[rows, some columns]` of `columns` and `given`, returns a tensor
            `[..., some columns]`; must read no variables.
        columns: `[rows, columns]`, constants; they have no gradient.
        given: list of tensors that every column uses and that have gradients.
        together: how many columns are computed at once.

    Returns:
        `[..., columns]`.

    Example:
        >>> factor = [tf.constant(3.0)]
        >>> by_columns(lambda x, given: given[0] * x, tf.ones((2, 5)), factor, 2).numpy()
        array([[3., 3., 3., 3., 3.],
               [3., 3., 3., 3., 3.]], dtype=float32)
    """
    count = columns.shape[1]
    if count <= together:
        return function(columns, given)
    pieces = -(-count // together)
    padded = tf.pad(tf.stop_gradient(columns), [[0, 0], [0, pieces * together - count]])
    stacked = tf.transpose(tf.reshape(padded, [-1, pieces, together]), [1, 0, 2])

    @tf.custom_gradient
    def once(piece, *given):
        def backward(upstream):
            _, gradients = value_and_gradients(
                lambda given: (tf.reduce_sum(function(piece, given) * upstream), ()), list(given)
            )
            return None, *gradients

        return function(piece, list(given)), backward

    results = tf.map_fn(
        lambda piece: once(piece, *given),
        stacked,
        fn_output_signature=columns.dtype,
        parallel_iterations=1,
    )
    return tf.concat(tf.unstack(results, pieces), axis=-1)[..., :count]
