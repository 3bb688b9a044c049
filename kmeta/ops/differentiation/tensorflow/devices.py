"""How TensorFlow spreads work over devices and threads."""

import contextlib
from typing import Any

import tensorflow as tf

from kmeta.episode import Tensor


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
