"""A picture of where a Matching Network looks."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kmeta.checks import whole_number
from kmeta.episode import Episode
from kmeta.learners.metric.matching import MatchingNetwork
from kmeta.plots.paper import FRAME, INK, PAPER, SHADES, figure, names_of, short

CELL = 0.5  # inches


def draw_attention(
    learner: MatchingNetwork,
    episode: Episode,
    path: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | None = None,
    task: int = 0,
    queries: int = 8,
) -> Path | bytes:
    """Draw the attention `a(x, x_i)` of a Matching Network in one task as a PNG.

    Columns are the support items, by class, below their pictures; rows are queries, beside theirs.
    Numbers are the attention in %.

    Args:
        learner: a `MatchingNetwork`.
        episode: `Episode` of images in [0, 1], arrays `[tasks, items, h, w, 1 or 3]`.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        class_names: sequence of `way` names; None writes the labels.
        task: which task of the episode.
        queries: how many to draw, the first ones.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> learner = kmeta.load("matching-omniglot")
    >>> episode, query_y = kmeta.Episodes(dataset, way=3, shot=1, query=2)[0]
    >>> draw_attention(learner, episode, "attention.png", class_names=["a", "b", "c"])
    PosixPath('attention.png')
    """
    if not isinstance(learner, MatchingNetwork):
        raise ValueError(
            "Argument `learner` must be a MatchingNetwork. "
            f"Received: learner of type {type(learner).__name__}"
        )
    task = whole_number("task", task, 0, len(episode.query_x) - 1)
    queries = whole_number("queries", queries)
    labels = np.asarray(episode.support.y)[task]
    names = [short(name) for name in names_of(class_names, labels.shape[-1])]
    items = np.flatnonzero(labels.any(axis=-1))
    items = items[np.argsort(labels[items].argmax(axis=-1), kind="stable")]
    weights = np.asarray(learner.attention(episode))[task][:queries, items]
    shown = np.asarray(episode.query_x)[task, : len(weights)]
    support = np.asarray(episode.support.x)[task, items]
    rows, columns = weights.shape
    room = 0.085 * max(map(len, names)) + 0.2
    with figure((CELL * (columns + 1) + 0.4, CELL * (rows + 1) + room), path) as (sheet, done):
        grid = sheet.add_gridspec(
            2, 2, width_ratios=(1, columns), height_ratios=(1, rows), wspace=0, hspace=0
        )
        sheet.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
        heat = sheet.add_subplot(grid[1, 1])
        heat.imshow(weights, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
        _write(heat, weights)
        heat.set_xticks(range(columns), [names[label] for label in labels[items].argmax(axis=-1)])
        heat.tick_params(axis="x", rotation=90, length=0)
        heat.set_yticks([])
        _strip(sheet.add_subplot(grid[0, 1]), support, vertical=False)
        _strip(sheet.add_subplot(grid[1, 0]), shown, vertical=True)
        return done()


def _write(axes, weights):
    for (row, column), weight in np.ndenumerate(weights):
        colour = PAPER if weight > 0.5 else INK
        axes.text(
            column, row, f"{100 * weight:.0f}", color=colour, ha="center", va="center", size=8
        )


def _strip(axes, pictures, vertical):
    """Draw pictures in a row or a column, each as wide as a cell of the heat map."""
    joined = np.concatenate(list(pictures), axis=0 if vertical else 1)
    axes.imshow(
        joined.squeeze(-1) if joined.shape[-1] == 1 else joined,
        cmap="gray",
        vmin=0,
        vmax=1,
        aspect="auto",
    )
    height, width = pictures.shape[1:3]
    for number in range(1, len(pictures)):
        line = axes.axhline if vertical else axes.axvline
        line(number * (height if vertical else width) - 0.5, color=FRAME, lw=1)
    axes.set(xticks=[], yticks=[])
