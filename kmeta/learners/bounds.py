"""What Keras may make of a file: a configuration of a few bytes can ask for any size."""

import contextlib
import math
import threading
from collections.abc import Iterator
from typing import Any

import keras

MOST_WEIGHTS = 10_000
MOST_CALLS = 10_000  # of layers and operations
MOST_NUMBERS = 2**28  # that one of them makes of an image


@contextlib.contextmanager
def bounded(most: int) -> Iterator[None]:
    """Raise ValueError inside for a weight, before it is made, or a call that is too much.

    Counted is what this thread makes of layers and operations of Keras: bytes and number of their
    weights, how often they are called, and the numbers in what each call makes of one image. What
    calls would make is known without computing it while a network is put together.

    Args:
        most: bytes of weights.
    """
    add_weight, call, thread = keras.Layer.add_weight, keras.Operation.__call__, _thread()
    weights, size, calls = 0, 0, 0

    def weighed(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal weights, size
        if _thread() == thread:
            shape = (args[0] if args else kwargs.get("shape")) or ()
            weights, size = weights + 1, size + 4 * math.prod(shape)
            if size > most:
                raise ValueError(f"its configuration asks for more than {most} bytes of weights")
            if weights > MOST_WEIGHTS:
                raise ValueError(f"its configuration asks for more than {MOST_WEIGHTS} weights")
        return add_weight(self, *args, **kwargs)

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        outputs = call(self, *args, **kwargs)
        if _thread() == thread:
            calls += 1
            if calls > MOST_CALLS:
                raise ValueError(f"its configuration asks for more than {MOST_CALLS} calls")
            if any(_numbers(output) > MOST_NUMBERS for output in keras.tree.flatten(outputs)):
                raise ValueError(
                    f"its configuration asks for more than {MOST_NUMBERS} numbers, of one image, "
                    f"from {type(self).__name__}"
                )
        return outputs

    keras.Layer.add_weight, keras.Operation.__call__ = weighed, counted
    try:
        yield
    finally:
        keras.Layer.add_weight, keras.Operation.__call__ = add_weight, call


def _thread():
    return threading.get_ident()


def _numbers(output):
    """How many numbers a tensor has, as far as its shape is known."""
    shape = getattr(output, "shape", None)
    if shape is None or getattr(shape, "rank", 0) is None:
        return 0
    return math.prod(side for side in shape if isinstance(side, int))
