"""Labels and names of classes, in all the forms in which arrays hold them."""

import numbers
from typing import Any

import numpy as np

from kmeta.episode import Tensor


def plain_labels(name: str, labels: Tensor) -> np.ndarray:
    """Labels as an array of integers or of text, where they are such; others as they are.

    Args:
        name: of the argument, for the error.
        labels: array or list; of integers, of text or bytes in UTF-8, also as objects, in NumPy's
            StringDType, or as a tensor of strings.

    Raises:
        ValueError: if they are no array, or bytes are no UTF-8.

    >>> plain_labels("y", np.array([b"ant", "bee"], dtype=object))
    array(['ant', 'bee'], dtype='<U3')
    """
    try:
        labels = np.asarray(labels)
    except ValueError as error:
        raise ValueError(f"Argument `{name}` must be an array: {error}") from error
    if labels.dtype.kind in "ST":
        labels = labels.astype(object)
    if labels.dtype.kind != "O" or not labels.size:
        return labels
    flat = labels.ravel().tolist()
    if all(isinstance(label, (str, bytes)) for label in flat):
        return np.array([_text(name, label) for label in flat]).reshape(labels.shape)
    if all(_is_whole(label) for label in flat):
        return labels.astype(np.int64)
    return labels


def ordered_names(class_names: Any) -> list[str]:
    """Names of classes as a list of text: those of classes 0, 1, ...

    Raises:
        ValueError: if they have no order, as those of a set, or are no names but a text or a dict.

    >>> ordered_names(np.array(["ant", "bee"]))
    ['ant', 'bee']
    """
    names = class_names
    if hasattr(names, "__array__"):
        names = plain_labels("class_names", names).tolist()
    if not isinstance(names, (list, tuple)) or any(isinstance(x, (list, tuple)) for x in names):
        raise ValueError(
            "Argument `class_names` must be a list of names, in the order of the classes. "
            f"Received: {class_names!r} of type {type(class_names).__name__}"
        )
    return [str(_text("class_names", name)) for name in names]


def _text(name, label):
    try:
        return label.decode("utf-8") if isinstance(label, bytes) else label
    except UnicodeDecodeError as error:
        raise ValueError(f"Argument `{name}` holds bytes that are no UTF-8: {label!r}") from error


def _is_whole(label):
    return isinstance(label, numbers.Integral) and not isinstance(label, (bool, np.bool_))
