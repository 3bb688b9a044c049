"""A learner's own training step in Keras' loop; devices and threads."""

import contextlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from kmeta.episode import Tensor


def training_step(model: Tensor, step: Callable, data: Any) -> Any:
    """What Keras' loop calls: `step(data)`, which assigns variables and returns the logs.

    Other backends have the values of all variables as an argument before `data`, and return them.

    Example:
        >>> training_step(keras.Sequential(), lambda data: {"loss": data}, 0.5)
        {'loss': 0.5}
    """
    del model
    return step(data)


def replicas() -> int:
    """By how many replicas of a `tf.distribute` strategy Keras divides losses; 1 without one.

    Example:
        >>> replicas()
        1
    """
    return tf.distribute.get_strategy().num_replicas_in_sync


def strategy_scope(model: Tensor) -> Any:
    """While inside, variables are those of the strategy under which a Keras model was made.

    Example:
        >>> with strategy_scope(keras.Sequential()):
        ...     replicas()
        ...
        1
    """
    return model.distribute_strategy.scope()


def set_intra_op_threads(threads: int) -> None:
    """Let one operation run in as many threads on the CPU, unless TensorFlow has begun to compute.

    With one, operations still run beside each other. That is twice as fast where they are small, as
    in inner loops over a few images, and slower where they are large.

    Args:
        threads: integer; 0 for all cores.

    Example:
        >>> set_intra_op_threads(0)  # before anything is computed
    """
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def gpus() -> list[str]:
    """The names of this machine's graphics cards, as far as TensorFlow can use them.

    Example:
        >>> isinstance(gpus(), list)
        True
    """
    cards = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(card).get("device_name") for card in cards]
