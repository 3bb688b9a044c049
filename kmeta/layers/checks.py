"""Checks of arguments that layers and learners share. Each raises ValueError, Keras style."""

import math
import numbers
import operator


def whole_number(name, value, least):
    """Return `value` as int, or raise ValueError unless it is an integer of at least `least`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"Argument `{name}` must be {kind}. Received: {name}={value!r}")
    return operator.index(value)


def positive(name, value):
    """Return `value` as float, or raise ValueError unless it is a finite number above 0."""
    if not is_finite(value) or value <= 0:
        raise ValueError(
            f"Argument `{name}` must be a positive, finite number. Received: {name}={value!r}"
        )
    return float(value)


def true_or_false(name, value):
    """Return `value`, or raise ValueError unless it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"Argument `{name}` must be True or False. Received: {name}={value!r}")
    return value


def is_finite(value):
    """Whether `value` is a number, and neither infinite nor NaN."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and math.isfinite(value)
