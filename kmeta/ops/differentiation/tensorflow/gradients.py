"""Gradients of functions of tensors."""

import tensorflow as tf


def read(variables):
    """Values of Keras variables as plain tensors, which `value_and_gradients` can watch."""
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def value_and_gradients(function, weights):
    """Value of `function` and its gradients; may be nested to any order.

    Args:
        function: takes a structure of tensors like `weights`, returns `(loss, extra)` with a scalar
            loss and any structure `extra`.
        weights: any structure of tensors.

    Returns:
        `((loss, extra), gradients)`; the gradient of a weight that the loss does not depend on is
        zero.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        loss, extra = function(weights)
    gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return (loss, extra), gradients
