"""Gradients of functions of tensors."""

from collections.abc import Callable
from typing import Any

import jax
import keras

from kmeta.episode import Tensor


def read(variables: Tensor) -> list[Tensor]:
    """Values of Keras variables as plain tensors."""
    return [keras.ops.convert_to_tensor(variable.value) for variable in variables]


def value_and_gradients(function: Callable, weights: Any) -> tuple[tuple[Tensor, Any], Any]:
    """`((loss, extra), gradients)` of `function(weights)`, which returns `(loss, extra)`."""
    return jax.value_and_grad(function, has_aux=True)(weights)
