"""Differentiation, loops over tasks and steps, fused operations: what Keras has no function for.

The rest of the mathematics is written in `keras.ops`. Each backend has a folder of its own; what it
has to define is what is imported here. TensorFlow's versions say what each function does.
"""

import keras

from kmeta.ops.differentiation.scope import scope

if keras.backend.backend() == "jax":
    from kmeta.ops.differentiation.jax.gradients import is_known, read, value_and_gradients
    from kmeta.ops.differentiation.jax.loops import (
        by_columns,
        map_tasks,
        mean_over_tasks,
        repeat,
    )
    from kmeta.ops.differentiation.jax.moments import (
        exact_moments,
        fused_batch_norm,
        inside_exact_moments,
    )
    from kmeta.ops.differentiation.jax.orders import shuffles, task_seeds
    from kmeta.ops.differentiation.jax.training import (
        gpus,
        replicas,
        set_intra_op_threads,
        strategy_scope,
        training_step,
    )
elif keras.backend.backend() == "tensorflow":
    from kmeta.ops.differentiation.tensorflow.columns import by_columns
    from kmeta.ops.differentiation.tensorflow.gradients import is_known, read, value_and_gradients
    from kmeta.ops.differentiation.tensorflow.moments import (
        exact_moments,
        fused_batch_norm,
        inside_exact_moments,
    )
    from kmeta.ops.differentiation.tensorflow.orders import shuffles, task_seeds
    from kmeta.ops.differentiation.tensorflow.repeat import repeat
    from kmeta.ops.differentiation.tensorflow.tasks import map_tasks, mean_over_tasks
    from kmeta.ops.differentiation.tensorflow.training import (
        gpus,
        replicas,
        set_intra_op_threads,
        strategy_scope,
        training_step,
    )
else:
    raise ImportError(
        "kmeta runs on Keras' backends tensorflow and jax; set the environment variable "
        f"KERAS_BACKEND to one of them. Received: {keras.backend.backend()!r}"
    )

__all__ = [
    "by_columns",
    "exact_moments",
    "fused_batch_norm",
    "gpus",
    "inside_exact_moments",
    "is_known",
    "map_tasks",
    "mean_over_tasks",
    "read",
    "repeat",
    "replicas",
    "scope",
    "set_intra_op_threads",
    "shuffles",
    "strategy_scope",
    "task_seeds",
    "training_step",
    "value_and_gradients",
]
