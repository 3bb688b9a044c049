"""Loops whose gradients are exact: one step, traced once, many times."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import tree


def repeat(
    function: Callable,
    steps: int,
    state: Any,
    given: Any = (),
    remat: bool = False,
    unroll: bool = False,
) -> Any:
    """`state = function(step, state, given)`, for `step` from 0 to `steps - 1`.

    Traced once whatever the number of steps, unless unrolled; a single step is not a loop.
    Derivatives by `state` and `given` are exact to the order that `function` allows (with `remat`,
    to first order: a step may itself contain gradients, as an inner step of MAML does).

    Args:
        function: returns a structure of tensors like `state`; must read no variables.
        steps: integer, 0 or greater; or a tensor that holds one.
        state: any structure of tensors.
        given: structure of tensors that every step uses and that have gradients. Other tensors that
            `function` captures have none with `remat`.
        remat: in the backward pass, compute each step once more rather than keep what it computed.
            Memory then holds one step's graph, and `state` for every step, instead of all steps'
            graphs.
        unroll: trace every step where their number is known, which spares small steps the loop's
            own time.

    Returns:
        The structure after the last step.

    Example:
        >>> def step(index, state, given):
        ...     return {"x": given * state["x"], "steps": state["steps"] + 1}
        ...
        >>> state = {"x": tf.constant(1.0), "steps": tf.constant(0)}
        >>> {name: x.numpy().item() for name, x in repeat(step, 3, state, tf.constant(2.0)).items()}
        {'x': 8.0, 'steps': 3}
    """
    if isinstance(steps, int) and (unroll or steps < 2):
        for step in range(steps):
            state = function(tf.constant(step), state, given)
        return state
    start, constants = tree.flatten(state), tree.flatten(given)

    def flat(step, *tensors):
        inner = tree.pack_sequence_as(state, tensors[: len(start)])
        result = function(step, inner, tree.pack_sequence_as(given, tensors[len(start) :]))
        tree.assert_same_structure(state, result)
        return tree.flatten(result)

    def body(step, *tensors):
        once = functools.partial(flat, step)
        once = recomputed(once) if remat else once
        return step + 1, *_kept(once(*tensors, *_kept(constants)))

    _, *end = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (tf.constant(0), *start),
        maximum_iterations=steps,  # XLA must know
        parallel_iterations=1,
    )
    return tree.pack_sequence_as(state, end)


def recomputed(function: Callable) -> Callable:
    """`function`, of tensors and to a list of them, that keeps its arguments alone for gradients.

    What it computes on the way is computed once more in the backward pass.
    """

    @tf.custom_gradient
    def once(*arguments):
        def backward(*upstream):
            values = [tf.stop_gradient(x) for x in arguments]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([x for x in values if x.dtype.is_floating])
                results = function(*values)
            pairs = [
                (y, d)
                for y, d in zip(results, upstream, strict=True)
                if d is not None and y.dtype.is_floating
            ]
            return tape.gradient(
                [y for y, _ in pairs], values, output_gradients=[d for _, d in pairs]
            )

        return function(*arguments), backward

    return once


def _kept(tensors):
    """The same tensors, whose gradients pass an operation that no graph optimiser removes.

    Where memory is at its peak, TensorFlow makes a temporary variable of a sum of three and more
    tensors. If one of them is a variable of a loop, as the gradient of what a loop carries is, that
    temporary variable is created once too often, and training ends with an `AlreadyExistsError`
    (tensorflow/tensorflow#23780).
    """

    @tf.custom_gradient
    def kept(x):
        return tf.identity(x), lambda upstream: tf.ensure_shape(upstream, upstream.shape)

    return [kept(x) if x.dtype.is_floating else x for x in tensors]
