"""A picture of regression tasks and of what a learner predicts for them."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.checks import whole_number
from kmeta.episode import Episode
from kmeta.plots.paper import COLOURS, FAINT, INK, figure


def draw_curves(
    episode: Episode,
    query_y: ArrayLike,
    predictions: dict[str, Any],
    path: str | os.PathLike[str] | None = None,
    tasks: int = 3,
) -> Path | bytes:
    """Draw regression tasks as a PNG, one panel a task: support points, the truth, predictions.

    Args:
        episode: `Episode` with one number as input and one as output, `[tasks, items, 1]`;
            `SinusoidEpisodes` yields such.
        query_y: `[tasks, queries, 1]`, drawn as a thin line; queries need no order.
        predictions: `{name: [tasks, queries, 1]}`, such as those after 0, 1 and 10 inner steps; at
            most as many as there are `COLOURS`.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        tasks: how many to draw, the first ones of the episode.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> episode, query_y = kmeta.data.SinusoidEpisodes(shot=5, query=20, tasks_per_step=3)[0]
    >>> draw_curves(episode, query_y, {"nothing learned": 0 * query_y}, "curves.png")
    PosixPath('curves.png')
    """
    x, truth = np.asarray(episode.query_x), np.asarray(query_y)
    if x.ndim != 3 or x.shape[-1] != 1:
        raise ValueError(
            f"Argument `episode.query_x` must be [tasks, queries, 1]. Received: shape {x.shape}"
        )
    predictions = {name: np.asarray(values) for name, values in predictions.items()}
    if len(predictions) > len(COLOURS):
        raise ValueError(
            f"Argument `predictions` must hold at most {len(COLOURS)} curves. "
            f"Received: {len(predictions)}"
        )
    for name, values in {"query_y": truth, **predictions}.items():
        if values.shape != x.shape:
            raise ValueError(
                f"{name!r} must have the shape of the queries, {x.shape}. "
                f"Received: shape {values.shape}"
            )
    tasks = whole_number("tasks", tasks, 1, len(x))
    with figure((3.0 * tasks + 0.3, 2.7), path) as (sheet, done):
        for task, axes in enumerate(sheet.subplots(1, tasks, squeeze=False)[0]):
            order = np.argsort(x[task, :, 0])
            axes.plot(x[task, order, 0], truth[task, order, 0], color=FAINT, lw=1, label="truth")
            for (name, y), colour in zip(predictions.items(), COLOURS, strict=False):
                axes.plot(x[task, order, 0], y[task, order, 0], color=colour, label=str(name))
            points = (np.asarray(part)[task, :, 0] for part in episode.support)
            axes.plot(*points, "o", color=INK, ms=5, label="support")
        sheet.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=10)
        return done()
