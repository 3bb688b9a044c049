"""Exact second derivatives through mean and variance, and the fused batch normalisation."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from kmeta.episode import Tensor
from kmeta.ops.differentiation.replaced import Replaced

_local = threading.local()  # `weights` of rows, `of_replicas`: in this thread


def _moments(x, axes, shift=None, keepdims=False, name=None):
    """`tf.nn.moments` without its `stop_gradient` at the mean, and with weights of rows."""
    del shift, name
    dtype = x.dtype
    x = tf.cast(x, tf.float32) if dtype in (tf.float16, tf.bfloat16) else x
    weights = getattr(_local, "weights", None)
    weighted = weights is not None and 0 in axes and x.shape[0] == weights.shape[0]
    of_replicas = getattr(_local, "of_replicas", False) and 0 in axes

    def average(x):
        if weighted:
            by_row = tf.reduce_mean(x, [axis for axis in axes if axis != 0], keepdims=True)
            share = tf.reshape(tf.cast(weights, x.dtype), [-1] + [1] * (len(x.shape) - 1))
            return tf.reduce_sum(by_row * share, 0, keepdims=True)
        mean = tf.reduce_mean(x, axes, keepdims=True)
        if of_replicas:
            return tf.distribute.get_replica_context().all_reduce("mean", mean)
        return mean

    mean = average(x)
    variance = average(tf.square(x - mean))
    if not keepdims:
        mean, variance = tf.squeeze(mean, axes), tf.squeeze(variance, axes)
    return tf.cast(mean, dtype), tf.cast(variance, dtype)


_replaced = Replaced(tf.nn, "moments", _moments)


@contextlib.contextmanager
def exact_moments(weights: Any = None, of_replicas: bool = False) -> Iterator[None]:
    """Inside, second derivatives through `tf.nn.moments` and `keras.ops.moments` are exact.

    TensorFlow computes the variance with `stop_gradient(mean)`. Values and first derivatives are
    right, since the derivative of the variance by the mean is zero; second derivatives are not, and
    with them every gradient of a gradient through `keras.layers.BatchNormalization`,
    `LayerNormalization` and `GroupNormalization`. Only operations recorded inside are affected.
    Nests, and may be entered by several threads at once.

    Args:
        weights: `[rows]` that sum to 1, for moments over the rows of tensors `[rows, ...]`, so that
            padding need not count. None: all rows are equal.
        of_replicas: moments over rows are of those of all replicas of a `tf.distribute` strategy,
            each of which has as many; without weights.

    Example:
        >>> with exact_moments():
        ...     inside_exact_moments()
        ...
        True
        >>> inside_exact_moments()
        False
    """
    outside = dict(vars(_local))
    _local.weights, _local.of_replicas = weights, of_replicas
    try:
        with _replaced:
            yield
    finally:
        vars(_local).clear()
        vars(_local).update(outside)


def inside_exact_moments() -> bool:
    """Whether the caller runs inside `exact_moments()`.

    Example:
        >>> inside_exact_moments()
        False
    """
    return _replaced.depth > 0


def fused_batch_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation by the batch's own statistics as one operation.

    Derivatives of `y` are exact to second order. The mean and the variance have no gradient, so
    it is not for use where later computations differentiate through them.

    Args:
        x: `[batch, height, width, channels]` float32.
        gamma, beta: `[channels]`.
        epsilon: added to the variance.

    Returns:
        `(y, mean, variance)`, the variance being the biased one, as in Keras.

    Example:
        >>> x = np.arange(4, dtype="float32").reshape(1, 2, 2, 1)
        >>> y, mean, variance = fused_batch_norm(x, tf.ones(1), tf.zeros(1), 1e-3)
        >>> float(mean[0]), float(variance[0]), np.ravel(y).round(2)
        (1.5, 1.25, array([-1.34, -0.45,  0.45,  1.34], dtype=float32))
    """
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)  # the operation returns n/(n-1) times
    return y, mean, variance * (count - 1.0) / count
