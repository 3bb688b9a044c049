"""Loops over steps, tasks and columns, each traced once."""

from collections.abc import Callable
from typing import Any

import jax
from jax import numpy as jnp
from keras import tree

from kmeta.episode import Tensor
from kmeta.ops.differentiation.jax.products import convolutions_as_products


def repeat(
    function: Callable,
    steps: int,
    state: Any,
    given: Any = (),
    remat: bool = False,
    unroll: bool = False,
) -> Any:
    """`state = function(step, state, given)`, for `step` from 0 to `steps - 1`, by `lax.scan`."""
    step = jax.checkpoint(function) if remat else function
    if unroll or steps < 2:
        for index in range(steps):
            state = step(jnp.int32(index), state, given)
        return state

    def once(state, index):
        return step(index, state, given), None

    return jax.lax.scan(once, state, jnp.arange(steps, dtype="int32"))[0]


def map_tasks(function: Callable, inputs: Any) -> Any:
    """Apply `function` to every task: one after the other on a CPU, all at once elsewhere."""
    if tree.flatten(inputs)[0].shape[0] == 1:  # no loop: an adapted classifier has one task
        output = function(tree.map_structure(lambda x: x[0], inputs))
        return tree.map_structure(lambda x: x[None], output)
    if one_after_the_other():
        return jax.lax.map(function, inputs)
    with convolutions_as_products():
        return jax.vmap(function)(inputs)


def mean_over_tasks(function: Callable, inputs: Any, carry: Any = ()) -> tuple[Any, Tensor, Any]:
    """Mean of a function of one task; see TensorFlow's version.

    On a CPU, and wherever a task hands something on to the next, the graph of one task is held in
    memory at a time; elsewhere all tasks are computed at once. Off a CPU convolutions are products
    of matrices, which is several times as fast.
    """
    if one_after_the_other():
        return _mean_in_turn(function, inputs, carry)
    with convolutions_as_products():
        if tree.flatten(carry):
            return _mean_in_turn(function, inputs, carry)
        averaged, stacked, _ = jax.vmap(lambda task: function(task, carry))(inputs)
        return tree.map_structure(lambda x: jnp.mean(x, axis=0), averaged), stacked, carry


def _mean_in_turn(function, inputs, carry):
    """The mean, of one task after the other."""

    def add(total, task):
        sums, carry = total
        averaged, stacked, carry = function(task, carry)
        return (tree.map_structure(jnp.add, sums, averaged), carry), stacked

    first = tree.map_structure(lambda x: x[0], inputs)
    shapes = jax.eval_shape(function, first, carry)[0]
    zeros = tree.map_structure(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    (sums, carry), stacked = jax.lax.scan(add, (zeros, carry), inputs)
    return tree.map_structure(lambda x: x / len(stacked), sums), stacked, carry


def one_after_the_other() -> bool:
    """Whether tasks are computed so: on a CPU, convolutions of many weights at once are slow."""
    return jax.default_backend() == "cpu"


def by_columns(function: Callable, columns: Tensor, given: Any, together: int) -> Tensor:
    """`function(columns, given)`, a few columns at a time; memory holds the graph of as many."""
    count = columns.shape[1]
    if count <= together:
        return function(columns, given)
    pieces = -(-count // together)
    padded = jnp.pad(jax.lax.stop_gradient(columns), ((0, 0), (0, pieces * together - count)))
    stacked = padded.reshape(-1, pieces, together).swapaxes(0, 1)
    results = jax.lax.map(jax.checkpoint(lambda piece: function(piece, given)), stacked)
    return jnp.concatenate(list(results), axis=-1)[..., :count]
