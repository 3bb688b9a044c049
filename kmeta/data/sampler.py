"""Which classes and which images make up an episode: pure NumPy, no pixels.

Task number `i` of seed `s` depends on `(s, i)` alone. Its random numbers come from
`np.random.default_rng([s, i]).random(...)`; all else is arithmetic on them, so that the same tasks
are drawn in every process, on every platform and whatever was drawn before.
"""

from typing import NamedTuple

import numpy as np

from kmeta.checks import seed_number, true_or_false, whole_number

TURNS = 4


class Draw(NamedTuple):
    """Tasks as indices, int64. Padding is marked by -1 in `support` and `support_labels`.

    classes: `[tasks, way]` class of each label; with rotations `4 * class + turn`, where a turn is
        90 degrees anticlockwise.
    support, query: `[tasks, way * shot]`, `[tasks, way * query]` positions of images in the data.
    support_labels, query_labels: the same shapes, labels in 0..way-1.
    """

    classes: np.ndarray
    support: np.ndarray
    support_labels: np.ndarray
    query: np.ndarray
    query_labels: np.ndarray


class Sampler:
    """Draws tasks: classes, then images of each, all without replacement.

    The rows of support and of query are in random order.

    Args:
        labels: int `[n]`, the class of each image; classes are 0..max.
        way: classes in a task. Their order, and with it the labels, is random.
        shot: support images of a class, or `(low, high)`: every class of every task draws its own
            number in that closed range, and the support is padded to `way * high`.
        query: query images of a class, 0 for none. No image is in both support and query.
        seed: integer in `[0, 2**32)`.
        rotations: every class turned by 0, 90, 180 and 270 degrees counts as four classes
            (Santoro et al. 2016; Vinyals et al. 2016; Snell et al. 2017). Two rotations of one
            character may meet in a task, also with the same drawing.
        class_names: names of the classes, for messages.

    Raises:
        ValueError: if an argument is of the wrong kind, there are fewer classes than `way`, or a
            class has fewer images than shot and query together.
    """

    def __init__(self, labels, way=5, shot=1, query=15, seed=0, rotations=False, class_names=None):
        self.way = _way(way)
        self.shot = _shot_range(shot)
        self.query = whole_number("query", query, least=0)
        self.seed = seed_number(seed)
        self.rotations = true_or_false("rotations", rotations)
        labels = np.asarray(labels)
        self._counts = np.bincount(labels)
        self._starts = np.cumsum(self._counts) - self._counts
        self._order = np.argsort(labels, kind="stable")
        self._check_room(class_names)

    @property
    def classes(self):
        """How many classes there are to draw from, rotations included."""
        return len(self._counts) * (TURNS if self.rotations else 1)

    def draw(self, first, tasks=1):
        """Return the `Draw` of tasks `first`, ..., `first + tasks - 1`."""
        way, query, (low, high) = self.way, self.query, self.shot
        sizes = [way, way, way * (high + query), way * high, way * query]
        numbers = random_rows(self.seed, first, tasks, sum(sizes))
        for_class, for_shot, for_image, s_key, q_key = np.split(numbers, np.cumsum(sizes)[:-1], 1)

        classes = pick(for_class, np.full(tasks, self.classes))
        kinds = (classes // TURNS if self.rotations else classes).reshape(-1)
        ranks = pick(for_image.reshape(len(kinds), high + query), self._counts[kinds])
        images = self._order[self._starts[kinds, None] + ranks].reshape(tasks, way, high + query)

        shots = low + (for_shot * (high - low + 1)).astype(np.int64)
        absent = np.arange(high) >= shots[:, :, None]
        labels = np.broadcast_to(np.arange(way)[:, None], images.shape)
        support = np.where(absent, -1, images[:, :, :high]).reshape(tasks, -1)
        support_labels = np.where(absent, -1, labels[:, :, :high]).reshape(tasks, -1)
        s_order = np.argsort(s_key, axis=1, kind="stable")
        q_order = np.argsort(q_key, axis=1, kind="stable")
        return Draw(
            classes,
            np.take_along_axis(support, s_order, 1),
            np.take_along_axis(support_labels, s_order, 1),
            np.take_along_axis(images[:, :, high:].reshape(tasks, -1), q_order, 1),
            np.take_along_axis(labels[:, :, high:].reshape(tasks, -1), q_order, 1),
        )

    def _check_room(self, class_names):
        if self.way > self.classes:
            turned = ", rotations counted" if self.rotations else ""
            raise ValueError(
                f"Argument `way` must be at most the number of classes, which is {self.classes}"
                f"{turned}. Received: way={self.way}"
            )
        needed = self.shot[1] + self.query
        poor = np.flatnonzero(self._counts < needed)
        if len(poor):
            name = poor[0] if class_names is None else repr(class_names[poor[0]])
            raise ValueError(
                f"Class {name} has {self._counts[poor[0]]} images, but shot {self.shot[1]} and "
                f"query {self.query} need {needed} different ones of every class. "
                f"Received: {len(poor)} of {len(self._counts)} classes with too few images"
            )


def pick(numbers, counts):
    """Draw without replacement: `[rows, size]` different integers below each row's count.

    numbers: `[rows, size]` uniform in [0, 1). counts: int `[rows]`, each at least `size`.
    Each step takes a rank among what is left and skips over the values drawn before, so that the
    cost does not depend on the counts. Every ordered choice is equally likely.
    """
    drawn, taken = [], np.empty((len(numbers), 0), np.int64)
    for step in range(numbers.shape[1]):
        rank = (numbers[:, step] * (counts - step)).astype(np.int64)[:, None]
        value = rank + (taken - np.arange(step) <= rank).sum(axis=1, keepdims=True)
        drawn.append(value)
        taken = np.sort(np.concatenate([taken, value], axis=1), axis=1)
    return np.concatenate(drawn, axis=1)


def random_rows(seed, first, tasks, size, *stream):
    """Return float64 `[tasks, size]` uniform in [0, 1): row `i` depends on `(seed, first + i)`.

    stream: a positive integer; other numbers for the same tasks.
    """
    rows = ([seed, first + i, *stream] for i in range(tasks))
    return np.stack([np.random.default_rng(row).random(size) for row in rows])


def _way(way):
    if whole_number("way", way) < 2:
        raise ValueError(
            "Argument `way` must be at least 2: with one class there is nothing to tell apart. "
            f"Received: way={way}"
        )
    return int(way)


def _shot_range(shot):
    if not isinstance(shot, (tuple, list)):
        return (whole_number("shot", shot),) * 2
    if len(shot) != 2:
        raise ValueError(
            f"Argument `shot` must be an integer or a range (low, high). Received: shot={shot!r}"
        )
    low, high = (whole_number("shot", bound) for bound in shot)
    if low > high:
        raise ValueError(
            f"Argument `shot` must be a range (low, high) with low <= high. Received: shot={shot!r}"
        )
    return low, high
