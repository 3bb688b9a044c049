"""Checks of arguments that every data source shares. Each raises ValueError, Keras style."""

import numbers

import numpy as np


def whole_number(name, value, least=1, most=None):
    """Return `value` as int, or raise ValueError unless it is an int in `[least, most]`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))
    if not whole or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise ValueError(
            f"Argument `{name}` must be an integer of at least {least}{upper}. "
            f"Received: {name}={value!r}"
        )
    return int(value)


def true_or_false(name, value):
    """Return `value` as bool, or raise ValueError unless it is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"Argument `{name}` must be True or False. Received: {name}={value!r}")
    return bool(value)


def one_of(name, value, choices):
    """Return `value`, or raise ValueError unless it is one of `choices`."""
    if value not in choices:
        raise ValueError(
            f"Argument `{name}` must be one of {list(choices)}. Received: {name}={value!r}"
        )
    return value


def seed_number(value):
    """Return `value` as int, or raise ValueError unless it is an int in `[0, 2**32)`."""
    return whole_number("seed", value, least=0, most=2**32 - 1)
