"""Differentiation, loops over tasks and steps, fused operations: what Keras has no function for.

The rest of the mathematics is written in `keras.ops`. Another backend needs its own version of what
is imported here, and nothing else.
"""

from kmeta.ops.differentiation.tensorflow.columns import by_columns
from kmeta.ops.differentiation.tensorflow.devices import (
    replicas,
    set_intra_op_threads,
    strategy_scope,
)
from kmeta.ops.differentiation.tensorflow.gradients import read, value_and_gradients
from kmeta.ops.differentiation.tensorflow.moments import (
    exact_moments,
    fused_batch_norm,
    inside_exact_moments,
)
from kmeta.ops.differentiation.tensorflow.orders import shuffles
from kmeta.ops.differentiation.tensorflow.repeat import repeat
from kmeta.ops.differentiation.tensorflow.tasks import map_tasks, mean_over_tasks

__all__ = [
    "by_columns",
    "exact_moments",
    "fused_batch_norm",
    "inside_exact_moments",
    "map_tasks",
    "mean_over_tasks",
    "read",
    "repeat",
    "replicas",
    "set_intra_op_threads",
    "shuffles",
    "strategy_scope",
    "value_and_gradients",
]
