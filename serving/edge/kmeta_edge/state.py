"""What is known of the classes: arrays that grow by rows.

Either each row is a class (prototypes), or each row is a support item, and `labels` says of which
class.
"""

import numpy as np


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
