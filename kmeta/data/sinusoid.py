"""Sine waves: the regression tasks of Finn et al. (2017), section 5.1."""

from typing import Any

import numpy as np

from kmeta.checks import whole_number
from kmeta.data.sampler import random_rows
from kmeta.data.stream import EpisodeStream
from kmeta.episode import Episode, Support

AMPLITUDE = (0.1, 5.0)
PHASE = (0.0, np.pi)
X = (-5.0, 5.0)


class SinusoidEpisodes(EpisodeStream):
    """Tasks `y = A sin(x - phase)`, A ~ U[0.1, 5], phase ~ U[0, pi], x ~ U[-5, 5].

    Each item is `(Episode(Support(x, y), query_x), query_y)`, NumPy float32: support.x and
    support.y `[tasks, shot, 1]`, query_x and query_y `[tasks, query, 1]`. The minus sign is that of
    the authors' code; epochs are as in `Episodes`.

    Args:
        shot: points of a task to adapt to, 10 in the paper's training.
        query: points of a task to predict.
        tasks_per_step: tasks in an item, 25 in the authors' code.
        steps: items in an epoch.
        seed: integer in `[0, 2**32)`.
        **kwargs: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Raises:
        ValueError: if an argument is of the wrong kind.

    >>> episodes = SinusoidEpisodes(shot=10, query=5, tasks_per_step=3)
    >>> (support, query_x), query_y = episodes[0]
    >>> support.x.shape, support.y.shape, query_y.shape
    ((3, 10, 1), (3, 10, 1), (3, 5, 1))
    >>> amplitude, phase = episodes.waves(0)[0]
    >>> bool(np.allclose(query_y[0], amplitude * np.sin(query_x[0] - phase), atol=1e-5))
    True
    """

    def __init__(
        self,
        shot: int = 10,
        query: int = 10,
        tasks_per_step: int = 25,
        steps: int = 100,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(tasks_per_step, steps, seed, **kwargs)
        self.shot = whole_number("shot", shot)
        self.query = whole_number("query", query)

    def draw_tasks(self, first: int) -> tuple[Episode, np.ndarray]:
        """Return the element of tasks `first`, ..., `first + tasks_per_step - 1`."""
        waves, x = self._numbers(first)
        y = waves[:, :1] * np.sin(x - waves[:, 1:])
        x, y = (array.astype(np.float32)[..., None] for array in (x, y))
        shot = self.shot
        return Episode(Support(x[:, :shot], y[:, :shot]), x[:, shot:]), y[:, shot:]

    def waves(self, index: int) -> np.ndarray:
        """Return amplitude and phase of the tasks of item `index`: float64 `[tasks, 2]`."""
        return self._numbers(self.first_task(index))[0]

    def _numbers(self, first):
        size = 2 + self.shot + self.query
        numbers = random_rows(self.seed, first, self.tasks_per_step, size)
        low, high = np.array([AMPLITUDE, PHASE]).T
        return low + numbers[:, :2] * (high - low), X[0] + numbers[:, 2:] * (X[1] - X[0])
