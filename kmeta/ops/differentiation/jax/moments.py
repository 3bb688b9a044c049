"""Moments with weights of rows; JAX's derivatives through them are exact by themselves."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import jax
import keras
from jax import numpy as jnp
from keras.src.backend import nn  # the functions that Keras' layers call

from kmeta.episode import Tensor
from kmeta.ops.differentiation.replaced import Replaced

_local = threading.local()  # `weights`: of rows, in this thread


def _moments(x, axes, keepdims=False, synchronized=False):
    """Keras' moments, with weights of rows."""
    weights = getattr(_local, "weights", None)
    if weights is None or 0 not in axes or x.shape[0] != len(weights):
        return _replaced.stock(x, axes, keepdims, synchronized)
    dtype, x = x.dtype, x.astype(jnp.promote_types(x.dtype, "float32"))
    weights = weights.astype(x.dtype).reshape([-1] + [1] * (x.ndim - 1))
    others = tuple(axis for axis in axes if axis != 0)

    def average(x):
        return jnp.sum(jnp.mean(x, others, keepdims=True) * weights, 0, keepdims=True)

    mean = average(x)
    variance = average(jnp.square(x - mean))
    if not keepdims:
        mean, variance = jnp.squeeze(mean, axes), jnp.squeeze(variance, axes)
    return mean.astype(dtype), variance.astype(dtype)


_replaced = Replaced(nn, "moments", _moments)


@contextlib.contextmanager
def exact_moments(weights: Any = None) -> Iterator[None]:
    """Inside, moments over the rows of tensors `[rows, ...]` have the weights `[rows]`."""
    outside, _local.weights = getattr(_local, "weights", None), weights
    try:
        with _replaced:
            yield
    finally:
        _local.weights = outside


def inside_exact_moments() -> bool:
    """Whether the caller runs inside `exact_moments()`."""
    return _replaced.depth > 0


def fused_batch_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch normalisation by the batch's own statistics, `(y, mean, variance)`; XLA fuses it."""
    mean, variance = keras.ops.moments(x, (0, 1, 2))
    y = (x - mean) * (gamma * jax.lax.rsqrt(variance + epsilon)) + beta
    return y, mean, variance
