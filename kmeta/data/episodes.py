"""Few-shot episodes of a `Dataset`, ready for `fit`, `evaluate` and `predict`."""

import hashlib
from typing import Any

import numpy as np

from kmeta.checks import true_or_false, whole_number
from kmeta.data.dataset import Dataset
from kmeta.data.distortions import NUMBERS, distort, draw_affine
from kmeta.data.sampler import TURNS, Sampler, random_rows
from kmeta.data.stream import EpisodeStream
from kmeta.episode import Episode, Support


class Episodes(EpisodeStream):
    """Random `way`-way, `shot`-shot tasks drawn from a `Dataset` (Vinyals et al. 2016, section 2).

    Each item is `(Episode(Support(x, y), query_x), query_y)`, NumPy:

    - support.x: float32 `[tasks, way * shot, h, w, c]`, in [0, 1] where the data are uint8.
    - support.y: float32 one-hot `[tasks, way * shot, way]`.
    - query_x: float32 `[tasks, way * query, h, w, c]`.
    - query_y: int32 `[tasks, way * query]`, in 0..way-1.

    Support and query of a task share no image. Labels are given at random in every task, and rows
    are in random order, so that neither tells a class. Item `i` of epoch `e` holds tasks
    `(e * steps + i) * tasks_per_step` and following, each determined by its number and the seed:
    `fit` meets fresh tasks in every epoch, and setting the attribute `epoch` resumes exactly.

    Args:
        dataset: `kmeta.data.Dataset`.
        way: classes in a task, at least 2.
        shot: support images of a class, or `(low, high)`: every class of every task draws its own
            number in that closed range. The support then has `way * high` rows, of which the
            superfluous ones are zero in `x` and `y`.
        query: query images of a class.
        tasks_per_step: tasks in an item.
        steps: items in an epoch.
        seed: integer in `[0, 2**32)`. Equal seeds give equal tasks, in any process.
        rotations: True makes four classes of each, turned by 0, 90, 180 and 270 degrees
            anticlockwise. Two rotations of one character may meet in a task.
        distortions: True moves every image by a random affine map of its own, as Koch et al. (2015,
            section 3.2): each part with probability 0.5, turned by up to 10 degrees, sheared by up
            to 0.3, scaled by 0.8 to 1.2, shifted by up to 2 pixels of 105.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Raises:
        ValueError: if an argument is of the wrong kind, there are fewer classes than `way`, a
            class has fewer images than shot and query together, or images to be rotated or
            distorted are none, or not square.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> episodes = Episodes(dataset, way=5, shot=1, query=3, tasks_per_step=2, steps=10)
    >>> (support, query_x), query_y = episodes[0]
    >>> support.x.shape, support.y.shape, query_x.shape, query_y.shape
    ((2, 5, 28, 28, 1), (2, 5, 5), (2, 15, 28, 28, 1), (2, 15))
    >>> episodes.class_names_of(0)[0][:2]
    (...'script...')
    >>> sorted(episodes.manifest())[:3]
    ['data_sha256', 'dataset', 'distortions']
    """

    least_query = 1
    affine = NUMBERS, draw_affine  # random numbers of a distortion, and what makes it of them

    def __init__(
        self,
        dataset: Dataset,
        way: int = 5,
        shot: int | tuple[int, int] = 1,
        query: int = 15,
        tasks_per_step: int = 1,
        steps: int = 100,
        seed: int = 0,
        rotations: bool = False,
        distortions: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(tasks_per_step, steps, seed, **kwargs)
        if not isinstance(dataset, Dataset):
            raise ValueError(
                "Argument `dataset` must be a kmeta.data.Dataset, as kmeta.data.load and "
                f"kmeta.data.from_arrays return. Received: {type(dataset).__name__}"
            )
        whole_number("query", query, least=self.least_query)
        self.sampler = Sampler(
            dataset.labels, way, shot, query, seed, rotations, dataset.class_names
        )
        shape = dataset.images.shape
        if rotations and (len(shape) != 4 or shape[1] != shape[2]):
            raise ValueError(
                "Argument `rotations` needs square images [n, h, h, c]. "
                f"Received: images of shape {shape}"
            )
        self.distortions = true_or_false("distortions", distortions)
        if distortions and len(shape) != 4:
            raise ValueError(
                "Argument `distortions` needs images [n, h, w, c]. "
                f"Received: images of shape {shape}"
            )
        self.dataset = dataset
        self.way = self.sampler.way
        low, high = self.sampler.shot
        self.shot = (low, high) if isinstance(shot, (tuple, list)) else high
        self.query = self.sampler.query
        self.rotations = self.sampler.rotations

    def draw_tasks(self, first: int) -> tuple[Any, np.ndarray]:
        """Return the element of tasks `first`, ..., `first + tasks_per_step - 1`."""
        draw = self.sampler.draw(first, self.tasks_per_step)
        where = np.concatenate([draw.support, draw.query], axis=1)
        labels = np.concatenate([draw.support_labels, draw.query_labels], axis=1)
        x = self._pictures(where, labels, draw.classes, first)
        support_x, query_x = np.split(x, [draw.support.shape[1]], axis=1)
        support_y = np.eye(self.way + 1, self.way, dtype=np.float32)[draw.support_labels]
        return Episode(Support(support_x, support_y), query_x), draw.query_labels.astype(np.int32)

    def class_names_of(self, index: int) -> list[tuple[str, ...]]:
        """Return the class names of item `index`'s labels: one tuple of `way` for each task.

        A class turned by 90 degrees has "@90" after its name.
        """
        classes = self.sampler.draw(self.first_task(index), self.tasks_per_step).classes
        return [tuple(self._name(number) for number in task) for task in classes]

    def manifest(self) -> dict[str, Any]:
        """Return what identifies the episodes of the first pass (epoch 0), as plain values.

        `episodes_sha256` hashes the drawn classes and images, `data_sha256` the data, so that two
        scores with equal manifests were measured on the very same episodes.
        """
        digest = hashlib.sha256()
        for step in range(self.steps):
            for array in self.sampler.draw(self._first_of(step), self.tasks_per_step):
                digest.update(array.astype("<i8").tobytes())
        return {
            "dataset": self.dataset.name,
            "data_sha256": self.dataset.sha256,
            "way": self.way,
            "shot": self.shot if isinstance(self.shot, int) else list(self.shot),
            "query": self.query,
            "tasks_per_step": self.tasks_per_step,
            "steps": self.steps,
            "seed": self.seed,
            "rotations": self.rotations,
            "distortions": self.distortions,
            "episodes_sha256": digest.hexdigest(),
        }

    def _pictures(self, where, labels, classes, first):
        """Images at the positions `where`, turned as their classes ask, distorted, as float32."""
        images = self.dataset.images[where]
        if self.rotations:
            turns = np.take_along_axis(classes, labels, axis=1) % TURNS
            for turn in range(1, TURNS):
                images[turns == turn] = np.rot90(images[turns == turn], turn, axes=(1, 2))
        images[where < 0] = 0
        if images.dtype == np.uint8:
            images = np.divide(images, 255, dtype=np.float32)
        if not self.distortions:
            return images
        count, affine = self.affine
        numbers = random_rows(self.seed, first, len(images), count * images.shape[1], 1)
        moved = distort(images.reshape(-1, *images.shape[2:]), affine(numbers.reshape(-1, count)))
        return moved.reshape(images.shape)

    def _name(self, number):
        if not self.rotations:
            return self.dataset.class_names[number]
        turn = number % TURNS
        return self.dataset.class_names[number // TURNS] + (f"@{90 * turn}" if turn else "")
