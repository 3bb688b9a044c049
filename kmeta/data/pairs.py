"""Pairs of images for verification (Koch, Zemel & Salakhutdinov 2015, section 4.2)."""

from typing import Any, NamedTuple

import numpy as np

from kmeta.checks import true_or_false, whole_number
from kmeta.data.dataset import Dataset
from kmeta.data.distortions import NUMBERS, distort, draw_affine
from kmeta.data.sampler import TURNS, pick, random_rows
from kmeta.data.stream import EpisodeStream
from kmeta.episode import Pairs

CHOICES = 6  # random numbers that the choice of one pair takes


class PairDraw(NamedTuple):
    """Pairs as indices: `[pairs]` int64 each, and random numbers for distortions.

    first, second: positions of images in the data. first_turn, second_turn: 90 degrees
    anticlockwise. same: 1 for a pair of one class. numbers: `[pairs, 28]`, or `[pairs, 0]`.
    """

    first: np.ndarray
    second: np.ndarray
    first_turn: np.ndarray
    second_turn: np.ndarray
    same: np.ndarray
    numbers: np.ndarray


class VerificationPairs(EpisodeStream):
    """Random pairs of images, half of them of one class, for `SiameseNetwork`.

    Each item is `(Pairs(first, second), same)`, NumPy:
    first, second: float32 `[batch_size, h, w, c]`, in [0, 1] where the data are uint8.
    same: int32 `[batch_size]`, 1 where both are of one class (two different images of it).

    Pairs alternate between one class and two. Groups of classes, such as alphabets, take turns, so
    that each gives the same number of pairs of either kind; within a group every class is as
    likely as another. A group is what stands before the last "/" in the names of its classes.
    The second class of a pair of two is drawn in the same way at random, and another one. Pair
    `i` depends on the seed and on `i` alone; epochs are those of `Episodes`.

    dataset: `Dataset`.
    batch_size: pairs in an item.
    steps: items in an epoch.
    seed: integer in `[0, 2**32)`. Equal seeds give equal pairs, in any process.
    distortions: True distorts every image on its own, see `kmeta.data.distortions.draw_affine`.
    rotations: True makes four classes of each, turned by 0, 90, 180 and 270 degrees.
    within_groups: True draws both classes of a pair of two from one group, as in the benchmark of
        Lake et al. (2015): harder pairs.
    **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Raises ValueError where an argument is of the wrong kind, there are fewer than two classes (in a
    group, with `within_groups`), a class has fewer than two images, or images to be turned or
    distorted are none, or not square.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> pairs, same = VerificationPairs(dataset, batch_size=4)[0]
    >>> pairs.first.shape, same
    ((4, 28, 28, 1), array([1, 0, 1, 0], dtype=int32))
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 128,
        steps: int = 100,
        seed: int = 0,
        distortions: bool = False,
        rotations: bool = False,
        within_groups: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(whole_number("batch_size", batch_size), steps, seed, **kwargs)
        if not isinstance(dataset, Dataset):
            raise ValueError(
                "Argument `dataset` must be a kmeta.data.Dataset, as kmeta.data.load and "
                f"kmeta.data.from_arrays return. Received: {type(dataset).__name__}"
            )
        self.dataset = dataset
        self.distortions = true_or_false("distortions", distortions)
        self.rotations = true_or_false("rotations", rotations)
        self.within_groups = true_or_false("within_groups", within_groups)
        self._order = np.argsort(dataset.labels, kind="stable")
        self._starts = np.cumsum(dataset.counts) - dataset.counts
        names = [name.rpartition("/")[0] for name in dataset.class_names]
        self.groups, group_of = np.unique(names, return_inverse=True)
        self._classes = np.argsort(group_of, kind="stable")  # group by group
        self._sizes = np.bincount(group_of)
        self._check()

    def draw_tasks(self, first: int) -> tuple[Pairs, np.ndarray]:
        """Return the element of pairs `first`, ..., `first + batch_size - 1`."""
        draw = self.draw(first, self.tasks_per_step)
        images = np.stack(
            [
                self._pictures(draw.first, draw.first_turn, draw.numbers[:, :NUMBERS]),
                self._pictures(draw.second, draw.second_turn, draw.numbers[:, NUMBERS:]),
            ]
        )
        return Pairs(*images), draw.same.astype(np.int32)

    def draw(self, first: int, pairs: int) -> PairDraw:
        """Return the `PairDraw` of pairs `first`, ..., `first + pairs - 1`."""
        size = CHOICES + 2 * NUMBERS * self.distortions
        numbers = random_rows(self.seed, first, pairs, size)
        place = first + np.arange(pairs)
        same = place % 2 == 0
        turns = TURNS if self.rotations else 1
        sizes = self._sizes * turns
        groups = len(sizes)

        group = place // 2 % groups
        a = (numbers[:, 0] * sizes[group]).astype(np.int64)
        # All groups being equally likely, and the first class excluded, how likely is its group?
        share = 1 / sizes[group]
        stay = same | self.within_groups | (numbers[:, 1] < (1 - share) / (groups - share))
        other = (group + 1 + (numbers[:, 2] * (groups - 1)).astype(np.int64)) % groups
        near = (numbers[:, 3] * (sizes[group] - 1)).astype(np.int64)
        far = (numbers[:, 3] * sizes[other]).astype(np.int64)
        b = np.where(same, a, np.where(stay, near + (near >= a), far))
        first_class = self._class(group, a // turns)
        second_class = self._class(np.where(stay, group, other), b // turns)

        counts = self.dataset.counts
        ranks = pick(numbers[:, 4:6], counts[first_class])
        alone = (numbers[:, 5] * counts[second_class]).astype(np.int64)
        second_rank = np.where(same, ranks[:, 1], alone)
        return PairDraw(
            self._order[self._starts[first_class] + ranks[:, 0]],
            self._order[self._starts[second_class] + second_rank],
            a % turns,
            b % turns,
            same.astype(np.int64),
            numbers[:, CHOICES:],
        )

    def _class(self, group, rank):
        return self._classes[(np.cumsum(self._sizes) - self._sizes)[group] + rank]

    def _pictures(self, where, turns, numbers):
        images = self.dataset.images[where]
        for turn in np.unique(turns[turns > 0]):
            images[turns == turn] = np.rot90(images[turns == turn], turn, axes=(1, 2))
        if images.dtype == np.uint8:
            images = np.divide(images, 255, dtype=np.float32)
        return distort(images, draw_affine(numbers)) if self.distortions else images

    def _check(self):
        names, counts, shape = (
            self.dataset.class_names,
            self.dataset.counts,
            self.dataset.images.shape,
        )
        if len(names) < 2:
            raise ValueError(
                f"Pairs of two classes need at least 2 classes. Received: {len(names)}"
            )
        poor = np.flatnonzero(counts < 2)
        if len(poor):
            raise ValueError(
                "Pairs of one class need at least 2 images of every class. "
                f"Received: {counts[poor[0]]} of {names[poor[0]]!r}"
            )
        alone = np.flatnonzero(self._sizes * (TURNS if self.rotations else 1) < 2)
        if self.within_groups and len(alone):
            raise ValueError(
                "Argument `within_groups` needs at least 2 classes in every group. "
                f"Received: 1 in {str(self.groups[alone[0]])!r}"
            )
        if self.rotations and (len(shape) != 4 or shape[1] != shape[2]):
            raise ValueError(
                "Argument `rotations` needs square images [n, h, h, c]. "
                f"Received: images of shape {shape}"
            )
        if self.distortions and len(shape) != 4:
            raise ValueError(
                "Argument `distortions` needs images [n, h, w, c]. "
                f"Received: images of shape {shape}"
            )
