"""What all sources of episodes share: numbered items, epochs, tf.data."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any, Self

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
        self._shard = 1, 0  # of how many, and which

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
        return self._first_of(self.epoch * self.steps + int(place))

    def _first_of(self, step):
        """The number of the first task of a step that is counted across epochs."""
        num_shards, index = self._shard
        return (step * num_shards + index) * self.tasks_per_step

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

    def shard(self, num_shards: int, index: int) -> Self:
        """Return the same stream with only one of `num_shards` equal parts of each step's tasks.

        So that workers draw a step together, each its own tasks, as `tf.distribute` and
        `keras.distribution` want them.

        Args:
            num_shards: of how many workers. Divides `tasks_per_step`.
            index: which of them, from 0 on.

        Raises:
            ValueError: if an argument is out of range, or `num_shards` does not divide the tasks.
        """
        whole_number("num_shards", num_shards)
        whole_number("index", index, least=0, most=num_shards - 1)
        if self.tasks_per_step % num_shards:
            raise ValueError(
                "Argument `num_shards` must divide the tasks of a step, "
                f"{self.tasks_per_step}. Received: num_shards={num_shards}"
            )
        own = copy.copy(self)
        own.tasks_per_step = self.tasks_per_step // num_shards
        before, which = self._shard
        own._shard = before * num_shards, which * num_shards + index
        return own

    def as_dataset(self, epochs: int | None = 1) -> Any:
        """Return `tf.data.Dataset` of `(Episode, query_y)`, with static shapes.

        For Keras' `fit` give `steps_per_epoch=steps` where there is more than one epoch. Every pass
        begins at `epoch`, which it leaves as it is.

        Args:
            epochs: how many, one after another from the present `epoch` on. None: without end.

        Raises:
            ValueError: if `epochs` is neither a positive integer nor None.
        """
        import tensorflow as tf

        if epochs is not None:
            whole_number("epochs", epochs)

        def items():
            stream = copy.copy(self)  # whose epoch moves on
            for _ in itertools.count() if epochs is None else range(epochs):
                yield from stream
                stream.epoch += 1

        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec(array.shape, array.dtype), self[0]
        )
        data = tf.data.Dataset.from_generator(items, output_signature=signature)
        count = tf.data.INFINITE_CARDINALITY if epochs is None else epochs * self.steps
        data = data.apply(tf.data.experimental.assert_cardinality(count))
        return data.prefetch(tf.data.AUTOTUNE)
