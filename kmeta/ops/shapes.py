"""Checks of ranks and sizes, first in every equation, in the words of its docstring."""

from typing import Any

import numpy as np


def check_shapes(**arguments: Any) -> None:
    """Raise ValueError unless tensors have the axes that are named.

    `check_shapes(embedded=(x, "tasks items features"), labels=(y, "tasks items way"))`. An axis of
    one name has one size wherever it stands, a number is a size, and `...` is any number of leading
    axes. Sizes that are not known before a graph runs fit everything.

    Args:
        arguments: of each tensor, by its name in the caller's signature, the tensor and its axes.

    Raises:
        ValueError: if a rank or a size does not fit.

    Example:
        >>> check_shapes(x=(np.ones((2, 3)), "n c"), y=(np.ones((3, 5)), "c d"))
        >>> try:
        ...     check_shapes(x=(np.ones((2, 3)), "n c"), y=(np.ones((4, 5)), "c d"))
        ... except ValueError as error:
        ...     print(error)
        Expected `x` of shape `[n, c]` and `y` of shape `[c, d]`. Received: x.shape=(2, 3), ...
    """
    sizes = {}
    if not all(_fits(x, axes.split(), sizes) for x, axes in arguments.values()):
        wanted = [
            f"`{name}` of shape `[{', '.join(axes.split())}]`"
            for name, (_, axes) in arguments.items()
        ]
        received = [f"{name}.shape={_shape(x)}" for name, (x, _) in arguments.items()]
        raise ValueError(f"Expected {' and '.join(wanted)}. Received: {', '.join(received)}")


def check_same(**tensors: Any) -> None:
    """Raise ValueError unless tensors have one shape.

    Args:
        tensors: by their names in the caller's signature.

    Raises:
        ValueError: if shapes differ.

    Example:
        >>> check_same(a=np.ones(3), b=np.zeros(3))
    """
    shapes = {name: _shape(tensor) for name, tensor in tensors.items()}
    known = [shape for shape in shapes.values() if shape is not None]
    if len({len(shape) for shape in known}) > 1 or any(
        len({size for size in sizes if size is not None}) > 1 for sizes in zip(*known, strict=False)
    ):
        names = " and ".join(f"`{name}`" for name in tensors)
        received = ", ".join(f"{name}.shape={shape}" for name, shape in shapes.items())
        raise ValueError(f"Expected {names} of one shape. Received: {received}")


def _fits(tensor, axes, sizes):
    """Whether a tensor has axes, of the sizes met so far; adds its own to them."""
    shape = _shape(tensor)
    if shape is None:
        return True
    if axes[:1] == ["..."]:
        axes = axes[1:]
        shape = shape[len(shape) - len(axes) :] if len(shape) >= len(axes) else shape
    if len(shape) != len(axes):
        return False
    for axis, size in zip(axes, shape, strict=True):
        known = int(axis) if axis.isdigit() else sizes.get(axis)
        if size is not None and known not in (None, size):
            return False
        sizes[axis] = known if size is None else size
    return True


def _shape(tensor):
    """The shape as a tuple, with None for unknown sizes; None where not even the rank is known."""
    shape = tensor.shape if hasattr(tensor, "shape") else np.shape(tensor)
    return None if getattr(shape, "rank", 0) is None else tuple(shape)
