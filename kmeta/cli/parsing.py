"""How the command line is read: short errors, and types that say what they expect."""

import argparse
import sys

from kmeta.edge.numbers import number

GIVEN_ONLY = argparse.SUPPRESS  # default of options that are absent unless they are given


class _Formatter(argparse.HelpFormatter):
    """Wraps descriptions, and leaves lists of examples as they are."""

    def _fill_text(self, text, width, indent):
        if "\n" in text:
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` whose errors are one line, and which takes no abbreviations."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, **kwargs)

    def error(self, message):
        """Print one line and exit with code 2."""
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def count_or_zero(text):
    """An integer of at least 0."""
    return number(text, int, lambda value: value >= 0, "a whole number of at least 0")


def seed(text):
    """An integer in `[0, 2**32)`."""
    return number(text, int, lambda value: 0 <= value < 2**32, "a whole number below 2**32")


def share(text):
    """A float between 0 and 1, without these."""
    return number(text, float, lambda value: 0 < value < 1, "a number between 0 and 1")


def points(text):
    """Percentage points, a float from 0 to 100."""
    return number(text, float, lambda value: 0 <= value <= 100, "a number from 0 to 100")


def add_switch(group, *names, **kwargs):
    """Add an option `--name` with its `--no-name`, absent unless given."""
    group.add_argument(*names, action=argparse.BooleanOptionalAction, default=GIVEN_ONLY, **kwargs)


def given(arguments, names):
    """Return `{name: value}` of those of `names` that the command line gave."""
    return {name: value for name, value in vars(arguments).items() if name in names}
