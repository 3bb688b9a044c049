"""Functions that treat every coordinate of a network's weights alike, as in Meta Networks."""

import itertools
import math
from collections.abc import Callable
from typing import Any

from keras import ops, tree

from kmeta.episode import Tensor
from kmeta.ops.fast_weights import Kernels
from kmeta.ops.shapes import check_shapes


def affine(parts: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """`[parts] W + b`, for parts `[rows, ...]`, as one product: its gradient is the fastest.

    Example:
        >>> np.array(affine([np.ones((1, 2)), np.ones((1, 1))], np.ones((3, 1)), np.array([10.0])))
        array([[13.]])
    """
    check_shapes(kernel=(kernel, "inputs outputs"), bias=(bias, "outputs"))
    ones = ops.ones_like(parts[0][:, :1])
    weights = ops.concatenate([kernel, bias[None]], axis=0)
    return ops.matmul(ops.concatenate([*parts, ones], axis=-1), weights)


def lstm_step(
    x: Tensor, hidden: Tensor, memory: Tensor, kernel: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM, gates in the order input, forget, candidate, output.

    Args:
        x: `[coordinates, inputs]`.
        hidden, memory: `[coordinates, units]`.
        kernel: `[inputs + units, 4 * units]`.
        bias: `[4 * units]`.

    Returns:
        `(hidden, memory)`.

    Example:
        >>> zero = np.zeros((1, 1))
        >>> hidden, memory = lstm_step(np.ones((1, 2)), zero, zero, np.zeros((3, 4)), np.ones(4))
        >>> hidden.numpy().round(3), memory.numpy().round(3)
        (array([[0.37]]), array([[0.557]]))
    """
    check_shapes(
        x=(x, "coordinates inputs"),
        hidden=(hidden, "coordinates units"),
        memory=(memory, "coordinates units"),
    )
    z = affine([x, hidden], kernel, bias)
    enter, forget, candidate, leave = ops.split(z, 4, axis=-1)
    memory = ops.sigmoid(forget) * memory + ops.sigmoid(enter) * ops.tanh(candidate)
    return ops.sigmoid(leave) * ops.tanh(memory), memory


def by_coordinates(generate: Callable, gradients: Tensor) -> Any:
    """`generate` applied to every coordinate of a structure of weights alike.

    Args:
        generate: takes `[items, coordinates]`; returns the same, or `[coordinates]`.
        gradients: structure of weights `[items, ...]`.

    Returns:
        A structure like `gradients`, without the axis of items if `generate` drops it.

    Example:
        >>> gradients = [np.ones((2, 2)), np.ones((2, 1))]
        >>> [np.array(x) for x in by_coordinates(lambda x: ops.sum(x, 0), gradients)]
        [array([2., 2.]), array([2.])]
    """
    leaves = tree.flatten(gradients)
    shapes = [leaf.shape[1:] for leaf in leaves]
    sizes = [math.prod(shape) for shape in shapes]
    flat = [ops.reshape(leaf, (-1, size)) for leaf, size in zip(leaves, sizes, strict=True)]
    made = generate(ops.concatenate(flat, axis=-1))
    ends = list(itertools.accumulate(sizes))[:-1]
    parts = ops.split(made, ends, axis=-1) if ends else [made]
    items = (-1,) * (len(made.shape) - 1)
    weights = [ops.reshape(x, (*items, *shape)) for x, shape in zip(parts, shapes, strict=True)]
    return tree.pack_sequence_as(gradients, weights)


def generated(for_convolutions: Callable, for_dense: Callable, gradients: Tensor) -> Kernels:
    """Fast weights of gradients, both `Kernels`, by one generator a kind of layer.

    Args:
        for_convolutions: as in `by_coordinates`, of all convolutions together.
        for_dense: the same of the dense layer and the head.
        gradients: `Kernels`, each `[items, ...]`.

    Returns:
        `Kernels`.

    Example:
        >>> gradients = Kernels([np.ones((2, 3, 3, 1, 4))], np.ones((2, 16, 6)), np.ones((2, 6, 3)))
        >>> fast = generated(lambda x: x[0], lambda x: 2 * x[0], gradients)
        >>> fast.convolutions[0].shape, fast.dense.shape, float(fast.head[0, 0])
        (TensorShape([3, 3, 1, 4]), TensorShape([16, 6]), 2.0)
    """
    convolutions = by_coordinates(for_convolutions, gradients.convolutions)
    dense, head = by_coordinates(for_dense, (gradients.dense, gradients.head))
    return Kernels(convolutions, dense, head)
