"""A learner's own training step in Keras' loop, and devices."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import keras
from keras import tree

from kmeta.episode import Tensor


def training_step(model: Tensor, step: Callable, state: Any, data: Any) -> tuple[Any, Any]:
    """`step(data)`, which assigns variables, as the function of all variables that JAX needs.

    state: values of the trainable, other, optimizer's and metrics' variables.
    """
    variables = tree.flatten(
        [
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        ]
    )
    with keras.StatelessScope(zip(variables, tree.flatten(state), strict=True)) as scope:
        logs = step(data)
    moved = [scope.get_current_value(variable) for variable in variables]
    return logs, tree.pack_sequence_as(state, moved)


def replicas() -> int:
    """By how many replicas Keras divides losses: JAX has none."""
    return 1


def strategy_scope(model: Tensor) -> Any:
    """Nothing: JAX has no strategies."""
    del model
    return contextlib.nullcontext()


def set_intra_op_threads(threads: int) -> None:
    """Nothing: XLA's threads are set by the variable XLA_FLAGS before JAX begins."""
    del threads


def gpus() -> list[str]:
    """The names of this machine's graphics cards, as far as JAX can use them."""
    return [device.device_kind for device in jax.devices() if device.platform == "gpu"]
