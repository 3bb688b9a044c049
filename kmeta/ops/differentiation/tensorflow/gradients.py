"""Gradients of functions of tensors."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kmeta.episode import Tensor


def read(variables: Tensor) -> list[Tensor]:
    """Values of Keras variables as plain tensors, which `value_and_gradients` can watch.

    Example:
        >>> [value.numpy().tolist() for value in read([keras.Variable([1.0, 2.0])])]
        [[1.0, 2.0]]
    """
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def is_known(tensor: Tensor) -> bool:
    """Whether a tensor has values, and is no symbol inside a graph.

    Example:
        >>> is_known(tf.ones(1)), is_known(keras.KerasTensor((1,)))
        (True, False)
    """
    return hasattr(tensor, "numpy")


def value_and_gradients(function: Callable, weights: Any) -> tuple[tuple[Tensor, Any], Any]:
    """Value of `function` and its gradients; may be nested to any order.

    Args:
        function: takes a structure of tensors like `weights`, returns `(loss, extra)` with a scalar
            loss and any structure `extra`.
        weights: any structure of tensors.

    Returns:
        `((loss, extra), gradients)`; the gradient of a weight that the loss does not depend on is
        zero.

    Example:
        >>> weights = {"a": tf.constant(3.0)}
        >>> (loss, _), gradients = value_and_gradients(lambda w: (w["a"] ** 2, ()), weights)
        >>> float(loss), float(gradients["a"])
        (9.0, 6.0)
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        loss, extra = function(weights)
    gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return (loss, extra), gradients
