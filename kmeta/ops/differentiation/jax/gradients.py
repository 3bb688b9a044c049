"""Gradients of functions of tensors."""

from collections.abc import Callable
from typing import Any

import jax
import keras
from jax.core import Tracer

from kmeta.episode import Tensor


def read(variables: Tensor) -> list[Tensor]:
    """Values of Keras variables as plain tensors."""
    return [keras.ops.convert_to_tensor(variable.value) for variable in variables]


def is_known(tensor: Tensor) -> bool:
    """Whether a tensor has values, and is no symbol inside a function that is traced."""
    return isinstance(tensor, jax.Array) and not isinstance(tensor, Tracer)


def value_and_gradients(function: Callable, weights: Any) -> tuple[tuple[Tensor, Any], Any]:
    """`((loss, extra), gradients)` of `function(weights)`, which returns `(loss, extra)`."""
    return jax.value_and_grad(function, has_aux=True)(weights)
