"""Numbers of a command line, as `type` of an option."""

import argparse


def number(text, kind, fits, expected):
    """A number of a kind that fits, or the error that says what was expected."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, received {text!r}")
    return value


def count(text):
    """An integer of at least 1."""
    return number(text, int, lambda value: value >= 1, "a whole number of at least 1")


def positive(text):
    """A float above 0."""
    return number(text, float, lambda value: 0 < value < float("inf"), "a number above 0")


def probability(text):
    """A float from 0 to 1."""
    return number(text, float, lambda value: 0 <= value <= 1, "a number from 0 to 1")
