"""Convolutions of tasks, each with kernels of its own, as products of matrices.

Computed for all tasks at once such a convolution has as many groups as there are tasks, which GPUs
do slowly, its derivatives above all; a batch of products of matrices is what they do best.
"""

from typing import Any

import jax
import keras
from jax import numpy as jnp
from keras.src.backend import nn  # the functions that Keras' layers call

from kmeta.episode import Tensor
from kmeta.ops.differentiation.replaced import Replaced


def _convolution(
    inputs: Tensor,
    kernel: Tensor,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Keras' convolution: patches `[images, rows, columns, patch]` by kernels `[patch, filters]`.

    One that is not of images with channels last, or has holes or groups, is Keras' own.
    """
    kernel = keras.ops.convert_to_tensor(kernel)
    x = keras.ops.convert_to_tensor(inputs, dtype=kernel.dtype)
    data_format = data_format or keras.config.image_data_format()
    plain = x.ndim == 4 and data_format == "channels_last" and x.shape[-1] == kernel.shape[-2]
    if not plain or _pair(dilation_rate) != (1, 1):
        return _replaced.stock(inputs, kernel, strides, padding, data_format, dilation_rate)
    (height, width), (down, right) = kernel.shape[:2], _pair(strides)
    sides = jax.lax.padtype_to_pads(x.shape[1:3], (height, width), (down, right), padding.upper())
    x = jnp.pad(x, [(0, 0), *sides, (0, 0)])
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    if rows < 1 or columns < 1:  # Keras says what is wrong
        return _replaced.stock(inputs, kernel, strides, padding, data_format, dilation_rate)
    patches = [
        x[:, i : i + rows : down, j : j + columns : right]
        for i in range(height)
        for j in range(width)
    ]
    return jnp.concatenate(patches, -1) @ kernel.reshape(-1, kernel.shape[-1])


def _pair(number):
    return (number, number) if isinstance(number, int) else tuple(number)


_replaced = Replaced(nn, "conv", _convolution)


def convolutions_as_products() -> Replaced:
    """Inside, convolutions of images are products of patches and kernels."""
    return _replaced
