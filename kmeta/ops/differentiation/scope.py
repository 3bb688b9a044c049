"""Values of variables for a while."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras


@contextlib.contextmanager
def scope(values: Iterable[tuple[Any, Any]]) -> Iterator[keras.StatelessScope]:
    """`keras.StatelessScope` in which all other variables have the values of the scope around it.

    Args:
        values: pairs of a Keras variable and its value inside.

    Example:
        >>> a, b = keras.Variable(1.0), keras.Variable(2.0)
        >>> with scope([(a, 10.0)]), scope([(b, 20.0)]):
        ...     float(a + b)
        ...
        30.0
    """
    with keras.StatelessScope(values) as inner:
        if inner.original_scope is not None:
            inner.state_mapping = {**inner.original_scope.state_mapping, **inner.state_mapping}
        yield inner
