"""Names of classes: which ones a bundle may have."""

import unicodedata


def check(argument, name, unknown):
    """Raise ValueError unless a name can be that of a class.

    argument: that held it, for the error.
    unknown: the label of pictures of no class.
    """
    if not isinstance(name, str) or not name or name == unknown:
        raise ValueError(
            f"Argument `{argument}` must be a text other than '{unknown}'. Received: {name!r}"
        )
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise ValueError(
            f"Argument `{argument}` must be a text without control characters and surrogates. "
            f"Received: {name!r}"
        )


def check_all(names, unknown):
    """Raise ValueError unless `class_names` are two or more that differ."""
    for name in names:
        check("class_names", name, unknown)
    if len(set(names)) != len(names) or len(names) < 2:
        raise ValueError(
            f"Argument `class_names` must hold two different names or more. Received: {names}"
        )
