"""Functions of one task, applied to many."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree

from kmeta.episode import Tensor

TOGETHER = 2  # tasks whose graphs memory may hold; operations of one are too few for two cores


def map_tasks(function: Callable, inputs: Any) -> Any:
    """Apply `function` to one task at a time and stack the results.

    Args:
        function: takes a structure like `inputs` without its leading axis, returns a structure of
            tensors whose shapes do not depend on the task.
        inputs: structure of tensors `[tasks, ...]`.

    Returns:
        The structure that `function` returns, each tensor with a leading `tasks` axis.

    Example:
        >>> map_tasks(tf.reduce_sum, tf.constant([[1.0, 2.0], [3.0, 4.0]])).numpy()
        array([3., 7.], dtype=float32)
    """
    tasks = tree.flatten(inputs)[0].shape[0]
    if tasks == 1 or tf.executing_eagerly():  # no loop: one adapted classifier exports flat
        outputs = [function(tree.map_structure(lambda x, i=i: x[i], inputs)) for i in range(tasks)]
        return tree.map_structure(lambda *parts: tf.stack(parts), *outputs)
    function = tf.function(function, autograph=False)
    one = tree.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), inputs)
    outputs = function.get_concrete_function(one).structured_outputs
    signature = tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), outputs)
    return tf.map_fn(function, inputs, fn_output_signature=signature)


def mean_over_tasks(function: Callable, inputs: Any, carry: Any = ()) -> tuple[Any, Tensor, Any]:
    """Mean of a function of one task, holding the graphs of two tasks in memory at a time.

    Tasks are summed, and hand on the carry, in their order, so that results are to the last bit
    those of one task after another: the second task is computed beside the first as far as it does
    not need the carry. In eager mode and in XLA there is one task at a time.

    Args:
        function: takes one task (a structure like `inputs` without its leading axis) and the carry,
            returns `(averaged, stacked, carry)`: a structure of tensors to average over tasks, one
            tensor to stack, and the carry for the next task. Shapes must not depend on the task.
        inputs: structure of tensors `[tasks, ...]`.
        carry: structure of tensors for the first task.

    Returns:
        `(averaged, stacked, carry)`, the second with a leading `tasks` axis, the third as the last
        task left it.

    Example:
        >>> def task(x, carry):
        ...     return x, 10 * x, carry + x
        ...
        >>> found = mean_over_tasks(task, tf.constant([1.0, 2.0, 6.0]), tf.constant(0.0))
        >>> [x.numpy().tolist() for x in found]
        [3.0, [10.0, 20.0, 60.0], 9.0]
    """
    tasks = tf.shape(tree.flatten(inputs)[0])[0]

    def one(index, carry):
        return function(tree.map_structure(lambda x: x[index], inputs), carry)

    def add(index, total, stack, carry):
        averaged, stacked, carry = one(index, carry)
        total = tree.map_structure(tf.add, total, averaged)
        return index + 1, total, stack.write(index, stacked), carry

    done = 0
    if tf.executing_eagerly():
        total, stacked, carry = one(done, carry)
        done = 1
    else:  # traced once, and once in the graph: what is in it twice is optimised twice
        one = tf.function(one, autograph=False)
        total, stacked, _ = one.get_concrete_function(tf.constant(0), carry).structured_outputs
        total = tree.map_structure(lambda x: tf.zeros(x.shape, x.dtype), total)
    stack = tf.TensorArray(stacked.dtype, size=tasks, element_shape=stacked.shape)
    _, total, stack, carry = tf.while_loop(
        lambda index, *_: index < tasks,
        add,
        (tf.constant(done), total, stack.write(0, stacked) if done else stack, carry),
        parallel_iterations=TOGETHER,
    )
    return tree.map_structure(lambda x: x / tf.cast(tasks, x.dtype), total), stack.stack(), carry
