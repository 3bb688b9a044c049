"""Names of classes: the one rule of which there may be, in kmeta and on devices."""

import unicodedata


def is_name(name):
    """Whether a value is a text that can name a class: not empty, and safe to print."""
    if not isinstance(name, str) or not name:
        return False
    return not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name)


def check(argument, name, unknown=None):
    """Raise ValueError unless a name can be that of a class.

    argument: that held it, for the error.
    unknown: the label of pictures of no class, which no class may have; None if there is none.
    """
    other = "" if unknown is None else f"other than {unknown!r}, "
    if name == unknown or not is_name(name):
        raise ValueError(
            f"Argument `{argument}`: a class's name must be a text {other}not empty, without "
            f"control characters and surrogates. Received: {name!r}"
        )


def check_new(name, class_names, unknown):
    """Raise ValueError unless `name` can be that of one more class beside `class_names`."""
    check("name", name, unknown)
    if name in class_names:
        raise ValueError(f"Argument `name` must be a new class. Received: {name!r}, a known one")


def check_all(argument, names, unknown=None):
    """Raise ValueError unless names can be those of two or more classes."""
    for name in names:
        check(argument, name, unknown)
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError(
            f"Argument `{argument}` must hold two different names or more. Received: {names}"
        )
