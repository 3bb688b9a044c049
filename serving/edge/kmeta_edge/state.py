"""What is known of the classes: arrays that grow by rows.

Either each row is a class (prototypes), or each row is a support item, and `labels` says of which
class.
"""

import numpy as np

MOST = 300  # support items, with which the signatures of a bundle are tried


def way(state):
    """The number of classes of a state.

    Raises:
        ValueError: if its arrays do not go together.
    """
    rows = {len(values) if values.ndim else -1 for values in state.values()}
    owner = state.get("labels")
    if len(rows) != 1 or rows & {-1, 0}:
        raise ValueError("its arrays do not have the same number of rows")
    if any(values.dtype.kind == "f" and not np.isfinite(values).all() for values in state.values()):
        raise ValueError("its numbers are not finite")
    if owner is None:
        return rows.pop()
    found = np.unique(owner)
    if owner.ndim != 1 or owner.dtype != np.int64 or found.tolist() != list(range(len(found))):
        raise ValueError("its labels are not the integers from 0 on")
    return len(found)


def check(state, like, ways):
    """Raise ValueError unless a state is of `ways` classes, and of the kind of another state."""
    kinds, wanted = (
        {name: (rows.dtype.name, rows.shape[1:]) for name, rows in sorted(one.items())}
        for one in (state, like)
    )
    if kinds != wanted:
        raise ValueError(
            f"A state of this bundle has rows of dtype and shape {wanted}. Received: {kinds}"
        )
    try:
        found = way(state)
    except ValueError as error:
        raise ValueError(f"This is no state: {error}") from error
    if found != ways:
        raise ValueError(f"The state must be of {ways} classes. Received: {found} classes")


def names(labels, class_names):
    """A name of each support item: its class, and its number there from 1 on."""
    seen, found = [0] * len(class_names), []
    for label in labels:
        seen[label] += 1
        found.append(f"{class_names[label]} {seen[label]}")
    return found


def few(state, most=MOST):
    """A state of the same kind, of a few of its support items where there are many.

    >>> few({"labels": np.repeat(np.arange(4), 3), "embedded": np.zeros((12, 5))}, 6)["labels"]
    array([0, 0, 1, 2, 2, 3])
    """
    owner = state.get("labels")
    if owner is None or len(owner) <= most:
        return state
    chosen = np.linspace(0, len(owner) - 1, most).astype(int)
    found = {name: rows[chosen] for name, rows in state.items()}
    return {**found, "labels": np.unique(found["labels"], return_inverse=True)[1]}


def with_class(state, added, way):
    """The state of `way` classes and one more; `added` is the state of that class alone."""
    return {
        name: np.concatenate([rows, added[name] + way if name == "labels" else added[name]])
        for name, rows in state.items()
    }


def without_class(state, index):
    """The state without class `index`; the classes after it move up."""
    owner = state.get("labels")
    if owner is None:
        return {name: np.delete(rows, index, axis=0) for name, rows in state.items()}
    kept = {name: rows[owner != index] for name, rows in state.items()}
    return {**kept, "labels": kept["labels"] - (kept["labels"] > index)}
