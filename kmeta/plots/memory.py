"""A picture of what a memory-augmented network does with its memory."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from kmeta.checks import whole_number
from kmeta.plots.paper import COLOURS, SHADES, WRONG, figure

PARTS = (("write", "written"), ("read", "read"), ("usage", "usage"))


def draw_memory(
    weights: dict[str, Any],
    y: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    task: int = 0,
    slots: int = 32,
    predictions: ArrayLike | None = None,
) -> Path | bytes:
    """Draw where a network writes and reads at every step of a sequence as a PNG.

    Steps run from left to right, slots of the memory from top to bottom: those most written to, in
    the order of the step at which each was written to most. The weights of several heads are added.
    The marks above have a colour for each class.

    Args:
        weights: `learner.memory_weights(sequence)`: "write" and "read"
            `[tasks, steps, heads, slots]`, "usage" `[tasks, steps, slots]`.
        y: int `[tasks, steps]`, the label of each step.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        task: which of the sequences.
        slots: how many to draw.
        predictions: int `[tasks, steps]`, what the network answered. Wrong answers have a red mark.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> cell = kmeta.layers.MemoryCell(units=8, slots=6, width=4)
    >>> learner = kmeta.MemoryAugmentedNetwork(keras.layers.Flatten(), 3, cell)
    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> sequence, y = kmeta.data.SequenceEpisodes(dataset, way=3, instances=2, tasks_per_step=1)[0]
    >>> draw_memory(learner.memory_weights(sequence), y, "memory.png")
    PosixPath('memory.png')
    """
    weights = {name: np.asarray(weights[name]) for name, _ in PARTS}
    y = np.asarray(y)
    for name, values in (("y", y), ("predictions", y if predictions is None else predictions)):
        if np.shape(values) != weights["usage"].shape[:2]:
            raise ValueError(
                f"Argument `{name}` must have the shape {weights['usage'].shape[:2]}, one label "
                f"for each step. Received: shape {np.shape(values)}"
            )
    task = whole_number("task", task, 0, len(y) - 1)
    slots = whole_number("slots", slots)
    chosen = _slots(weights["write"][task].sum(axis=1), slots)
    tables = [
        values[task].sum(axis=1) if values.ndim == 4 else values[task]
        for values in weights.values()
    ]
    steps, labels = np.arange(1, y.shape[1] + 1), y[task]
    with figure((max(4.0, 0.14 * len(steps) + 1.2), 7.0), path) as (sheet, done):
        heights = (0.5, 3, 3, 3)
        marks, *panels = sheet.subplots(4, 1, sharex=True, height_ratios=heights)
        colours = [COLOURS[label % len(COLOURS)] for label in labels]
        marks.scatter(steps, 0 * steps, c=colours, s=28, marker="s")
        if predictions is not None:
            wrong = steps[np.asarray(predictions)[task] != labels]
            marks.plot(wrong, 0 * wrong - 1, "x", color=WRONG, ms=5)
        marks.set(ylim=(-1.8, 0.9), yticks=[], title="class of each step, x: wrong answer")
        marks.spines[:].set_visible(False)
        marks.tick_params(axis="x", length=0)
        for axes, (_, title), table in zip(panels, PARTS, tables, strict=True):
            extent = (0.5, len(steps) + 0.5, len(chosen), 0)
            shades = {"cmap": SHADES, "norm": PowerNorm(0.5, vmin=0)}  # most weights are small
            shown = axes.imshow(table[:, chosen].T, aspect="auto", extent=extent, **shades)
            axes.set(title=title, ylabel="slot", yticks=[])
            sheet.colorbar(shown, ax=axes, pad=0.01, fraction=0.03).ax.tick_params(labelsize=7)
        panels[-1].set_xlabel("step")
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        sheet.align_ylabels(panels)
        return done()


def _slots(written, count):
    """The slots most written to, `[steps, slots]`, by the step at which each was."""
    most = np.sort(np.argsort(-written.sum(axis=0), kind="stable")[:count])
    return most[np.argsort(written[:, most].argmax(axis=0), kind="stable")]
