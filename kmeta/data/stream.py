"""What all sources of episodes share: numbered items, epochs, tf.data."""

from collections.abc import Iterator
from typing import Any

import keras

from kmeta.checks import seed_number, whole_number


class EpisodeStream(keras.utils.PyDataset):
    """A `keras.utils.PyDataset` whose items are numbered across epochs.

    Item `i` of epoch `e` holds tasks `(e * steps + i) * tasks_per_step` and following, and every
    task is determined by its number and the seed. `fit` therefore meets fresh tasks in every epoch
    and the same ones in a second run, and setting `epoch` resumes exactly.

    A subclass gives `draw_tasks(first)`: the element for `tasks_per_step` tasks from number
    `first` on, as `(Episode(Support(x, y), query_x), query_y)` of NumPy arrays.

    Args:
        tasks_per_step: tasks in an item.
        steps: items in an epoch. (The `steps_per_epoch` of `fit` cuts a pass in pieces, whose
            epochs then depend on how far Keras has read ahead.)
        seed: integer in `[0, 2**32)`.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Attributes:
        epoch: plain integer, 0 at first; an epoch of `fit` adds one at its end.

    Raises:
        ValueError: if an argument is of the wrong kind.
    """

    def __init__(
        self, tasks_per_step: int = 1, steps: int = 100, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.tasks_per_step = whole_number("tasks_per_step", tasks_per_step)
        self.steps = whole_number("steps", steps)
        self.seed = seed_number(seed)
        self.epoch = 0
        self._begun = False

    def draw_tasks(self, first: int) -> tuple[Any, Any]:
        """Return the element of tasks `first`, ..., `first + tasks_per_step - 1`."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.draw_tasks(self.first_task(index))

    def first_task(self, index: int) -> int:
        """Return the number of the first task in item `index` of this epoch.

        Raises:
            IndexError: if `index` is not in `-steps..steps-1`.
        """
        place = index + self.steps if index < 0 else index
        if not 0 <= place < self.steps:
            raise IndexError(f"Index must be in 0..{self.steps - 1}. Received: {index}")
        return (self.epoch * self.steps + int(place)) * self.tasks_per_step

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for index in range(self.steps):
            yield self[index]

    def on_epoch_begin(self) -> None:
        """Keras: an epoch of `fit`, `evaluate` or `predict` begins."""
        self._begun = True

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's tasks, if an epoch had begun.

        Keras calls this once more before the first epoch, and before every validation.
        """
        self.epoch += self._begun
        self._begun = False

    def as_dataset(self) -> Any:
        """Return one pass as `tf.data.Dataset` of `(Episode, query_y)`, with static shapes.

        It has `steps` elements and gives those of the current `epoch` in every pass; it does not
        count epochs itself.
        """
        import tensorflow as tf

        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec(array.shape, array.dtype), self[0]
        )
        data = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=signature)
        data = data.apply(tf.data.experimental.assert_cardinality(self.steps))
        return data.prefetch(tf.data.AUTOTUNE)
