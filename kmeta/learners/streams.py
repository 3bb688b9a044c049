"""What Keras' loops are given: where its epochs begin, and the shape of its images."""

from typing import Any

import keras


class SameEpoch(keras.callbacks.Callback):
    """Sets episodes to an epoch as Keras' loop begins; they count the epochs after it themselves.

    Where Keras draws an item to learn its shape, as on JAX and in strategies, it would otherwise
    count one epoch too many.

    Args:
        episodes: what the loop draws from.
        epoch: the first epoch's number. None: that where the episodes stand, unless `fit` begins
            with a later one.
    """

    def __init__(self, episodes: Any, epoch: int | None = None) -> None:
        super().__init__()
        self.episodes, self.begun = episodes, False
        self.epoch = episodes.epoch if epoch is None else epoch

    def _begin(self, epoch=0):
        if not self.begun:
            self.episodes.epoch = epoch or self.epoch
        self.begun = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begin(epoch)

    def on_test_begin(self, logs: Any = None) -> None:
        self._begin()

    def on_predict_begin(self, logs: Any = None) -> None:
        self._begin()


def at_epoch(episodes: Any, callbacks: Any, epoch: int | None = None) -> Any:
    """Callbacks for Keras' loops, with `SameEpoch` where the episodes know epochs."""
    if not hasattr(episodes, "epoch"):
        return callbacks
    if isinstance(callbacks, keras.callbacks.CallbackList):
        # that of a validation before, inside the same `fit`, goes
        others = [c for c in callbacks.callbacks if getattr(c, "episodes", None) is not episodes]
        callbacks.callbacks[:] = [*others, SameEpoch(episodes, epoch)]
        return callbacks
    return [*keras.tree.flatten(callbacks or []), SameEpoch(episodes, epoch)]


class rewound:
    """While inside, episodes that know epochs stand at their first; afterwards where they were."""

    def __init__(self, episodes: Any) -> None:
        self.episodes = episodes if hasattr(episodes, "epoch") else None

    def __enter__(self):
        if self.episodes is not None:
            self.epoch, self.episodes.epoch = self.episodes.epoch, 0

    def __exit__(self, *_):
        if self.episodes is not None:
            self.episodes.epoch = self.epoch


def image_shape_of(x: Any, input_types: tuple) -> tuple:
    """Shape of one image in the data given to `fit`, whose inputs are one of `input_types`."""
    if hasattr(x, "element_spec"):
        x = x.element_spec[0]
    elif not isinstance(x, input_types) and hasattr(x, "__getitem__"):
        x = x[0][0]
    if not isinstance(x, input_types):
        known = " or ".join(kind.__name__ for kind in input_types)
        raise ValueError(
            f"Expected `kmeta.Episodes`, or another data set of `({known}, labels)`; with a "
            f"generator, call `build(image_shape)` before `fit`. Received: {type(x).__name__}"
        )
    return x.image_shape
