"""Which cases of a check run every time; the others of its kind are left to the slow tests."""

import pytest


def others_slow(values, quick):
    """Parameters of a test, marked slow where they are not among the `quick` ones."""
    slow = pytest.mark.slow
    return [value if value in quick else pytest.param(value, marks=slow) for value in values]
