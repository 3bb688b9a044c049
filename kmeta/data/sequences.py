"""Sequences of labelled images whose labels come one step late (Santoro et al. 2016, section 2)."""

from typing import Any

import numpy as np

from kmeta.checks import one_of, whole_number
from kmeta.data.dataset import Dataset
from kmeta.data.distortions import draw_turn_and_shift
from kmeta.data.episodes import Episodes
from kmeta.data.sampler import pick, random_rows
from kmeta.data.strings import LABELS, STRINGS, letters, one_hot
from kmeta.episode import Sequence


class SequenceEpisodes(Episodes):
    """Random tasks as sequences, for `MemoryAugmentedNetwork`.

    Each item is `(Sequence(x, previous_y), y)`, NumPy; a sequence has `way * instances` steps:

    - x: float32 `[tasks, steps, h, w, c]`, in [0, 1] where the data are uint8.
    - previous_y: float32 `[tasks, steps, way]`, one-hot label of the step before; zeros at the
      first step. With string labels `[tasks, steps, 25]`, the five letters one-hot side by side.
    - y: int32 `[tasks, steps]`, in 0..way-1. With string labels `[tasks, steps, 5]`, letters 0..4.

    The classes of a task, their labels and the order of the whole sequence are random; no image
    comes twice. Task `i` depends on the seed and on `i` alone; epochs are those of `Episodes`.

    Args:
        dataset: `kmeta.data.Dataset`.
        way: classes in a task, at least 2.
        instances: images of each class.
        tasks_per_step, steps, seed, rotations: as in `Episodes`.
        labels: `"one_hot"`, or `"strings"`: every class of a task has another random string of five
            letters out of five (section 4.1.1), so that `way` may change from task to task.
        distortions: True turns every image by up to pi/16 either way and shifts it by up to a tenth
            of its side.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Raises:
        ValueError: if an argument is of the wrong kind, there are fewer classes than `way`, a
            class has fewer images than `instances`, or images to be turned or distorted are none,
            or not square.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> sequence, y = SequenceEpisodes(dataset, way=5, instances=4, tasks_per_step=2)[0]
    >>> sequence.x.shape, sequence.previous_y.shape, y.shape
    ((2, 20, 28, 28, 1), (2, 20, 5), (2, 20))
    >>> bool((sequence.previous_y[:, 1:].argmax(-1) == y[:, :-1]).all())
    True
    """

    least_query = 0
    affine = 3, draw_turn_and_shift

    def __init__(
        self,
        dataset: Dataset,
        way: int = 5,
        instances: int = 10,
        tasks_per_step: int = 16,
        steps: int = 100,
        seed: int = 0,
        rotations: bool = False,
        labels: str = "one_hot",
        distortions: bool = False,
        **kwargs: Any,
    ) -> None:
        instances = whole_number("instances", instances)
        tasks = (tasks_per_step, steps, seed, rotations, distortions)
        super().__init__(dataset, way, instances, 0, *tasks, **kwargs)
        self.instances = instances
        self.labels = one_of("labels", labels, LABELS)
        if labels == "strings" and way > STRINGS:
            raise ValueError(
                f"Argument `way` must be at most {STRINGS}, the number of strings. "
                f"Received: way={way}"
            )

    def draw_tasks(self, first: int) -> tuple[Any, np.ndarray]:
        draw = self.sampler.draw(first, self.tasks_per_step)
        x = self._pictures(draw.support, draw.support_labels, draw.classes, first)
        y = draw.support_labels
        if self.labels == "one_hot":
            shown = np.eye(self.way, dtype=np.float32)[y]
        else:
            random = random_rows(self.seed, first, self.tasks_per_step, self.way, 2)
            strings = pick(random, np.full(len(y), STRINGS))
            numbers = np.take_along_axis(strings, y, axis=1)
            y, shown = letters(numbers), one_hot(numbers)
        previous_y = np.concatenate([np.zeros_like(shown[:, :1]), shown[:, :-1]], axis=1)
        return Sequence(x, previous_y), y.astype(np.int32)

    def manifest(self) -> dict[str, Any]:
        """Return what identifies the sequences; `shot` counts instances. See `Episodes`."""
        return {**super().manifest(), "labels": self.labels}
