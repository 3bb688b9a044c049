"""Labels of a support set: integers or names in, integers and the names of classes out."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.data.labels import ordered_names, plain_labels
from kmeta.edge import names


def labels_and_names(support_y: ArrayLike, class_names: Any, items: int) -> tuple[Any, list[str]]:
    """Integer labels `[items]` and the names of their classes, of the arguments of `adapt`.

    Raises:
        ValueError: if they do not fit.
    """
    labels, source = plain_labels("support_y", support_y), "class_names"
    if class_names is not None:
        class_names = ordered_names(class_names)
    if labels.ndim != 1 or len(labels) != items:
        raise ValueError(
            f"Argument `support_y` must hold one label for each of the {items} items of "
            f"`support_x`. Received: support_y.shape={labels.shape}"
        )
    if labels.dtype.kind == "U":
        if class_names is not None:
            raise ValueError(
                "Argument `class_names` must be left out when `support_y` holds names. "
                f"Received: class_names={class_names!r}"
            )
        found, labels = np.unique(labels, return_inverse=True)
        class_names, source = found.tolist(), "support_y"
    elif labels.dtype.kind not in "iu":
        raise ValueError(
            "Argument `support_y` must hold integers or names. "
            f"Received: support_y.dtype={labels.dtype}"
        )
    found = np.unique(labels).tolist()
    way = found[-1] + 1 if class_names is None else len(class_names)
    if (found[0], found[-1], len(found)) != (0, way - 1, way) or way < 2:
        raise ValueError(
            f"Argument `support_y` must hold every label from 0 to {max(way, 2) - 1} at least "
            f"once. Received: {found[:20]}. Other numbers can be given as text"
        )
    if class_names is None:
        class_names = [str(label) for label in range(way)]
    names.check_all(source, class_names)
    return labels, class_names
