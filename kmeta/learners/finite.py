"""Models that are saved only while all their weights are numbers."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops


class SavedFinite(keras.Model):
    """A Keras model that refuses to be saved, by whatever way, once a weight is NaN or infinite.

    Raises:
        ValueError: in `save`, `save_weights` and `keras.saving.save_model`; the first two leave
            what is at the place as it is.
    """

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        check_finite(self)
        super().save(filepath, *args, **kwargs)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        check_finite(self)
        super().save_weights(filepath, *args, **kwargs)

    def save_own_variables(self, store: Any) -> None:
        check_finite(self)
        super().save_own_variables(store)


def check_finite(model: keras.Model) -> None:
    """Raise ValueError, naming the weight, if a weight of a model is not finite."""
    unsound = not_finite(model.weights)
    if unsound:
        raise ValueError(
            f"Only what consists of finite numbers can be saved. Received: {type(model).__name__}, "
            f"of which {unsound} is not finite; has its training diverged?"
        )


def not_finite(variables: Iterable[keras.Variable]) -> str | None:
    """The path of the first variable that holds an infinity or NaN; None where all are finite."""
    for variable in variables:
        if not np.all(np.isfinite(ops.convert_to_numpy(variable))):
            return variable.path
    return None
