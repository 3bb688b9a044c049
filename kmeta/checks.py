"""Checks of arguments: the only ones. Each returns the value in plain form, or raises ValueError.

Numbers of NumPy count as numbers, its booleans as booleans; a boolean is no number.
"""

import math
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np


def whole_number(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """Return `value` as int, or raise ValueError unless it is an integer in `[least, most]`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))
    if not whole or value < least or (most is not None and value > most):
        kind = f"an integer from {least} to {most}" if most is not None else "a positive integer"
        kind = f"an integer of at least {least}" if most is None and least != 1 else kind
        raise ValueError(f"Argument `{name}` must be {kind}. Received: {name}={value!r}")
    return int(value)


def positive(name: str, value: Any) -> float:
    """Return `value` as float, or raise ValueError unless it is a finite number above 0."""
    if not is_finite(value) or value <= 0:
        raise ValueError(
            f"Argument `{name}` must be a positive, finite number. Received: {name}={value!r}"
        )
    return float(value)


def number(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """Return `value` as float, or raise ValueError unless it is a finite number in the range."""
    if not is_finite(value) or not least <= value <= most:
        bounded = f" from {least:g} to {most:g}" if most < math.inf else f" of at least {least:g}"
        kind = "a finite number" + (bounded if least > -math.inf else "")
        raise ValueError(f"Argument `{name}` must be {kind}. Received: {name}={value!r}")
    return float(value)


def true_or_false(name: str, value: Any) -> bool:
    """Return `value` as bool, or raise ValueError unless it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"Argument `{name}` must be True or False. Received: {name}={value!r}")
    return bool(value)


def one_of(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """Return the one of `choices` that `value` is, or raise ValueError unless it is one."""
    plain = value.item() if isinstance(value, np.generic) else value
    for choice in choices:
        if type(plain) is type(choice) and plain == choice:
            return choice
    raise ValueError(
        f"Argument `{name}` must be one of {list(choices)}. Received: {name}={value!r}"
    )


def seed_number(value: Any) -> int:
    """Return `value` as int, or raise ValueError unless it is an int in `[0, 2**32)`."""
    return whole_number("seed", value, least=0, most=2**32 - 1)


def is_finite(value: Any) -> bool:
    """Whether `value` is a number, and neither infinite nor NaN."""
    number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    return number and math.isfinite(value)
