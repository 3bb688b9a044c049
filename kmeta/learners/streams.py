"""What Keras' loops are given: where its epochs begin, and the shape of its images."""

from typing import Any

import keras


class SameEpoch(keras.callbacks.Callback):
    """Sets episodes to the epoch with which `fit` begins, unless it is the first.

    episodes: what `fit` trains on; they count the epochs after it themselves.
    """

    def __init__(self, episodes: Any) -> None:
        super().__init__()
        self.episodes, self.begun = episodes, False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch and not self.begun:
            self.episodes.epoch = epoch
        self.begun = True


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
