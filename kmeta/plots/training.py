"""A picture of how a run went."""

import os
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from kmeta.plots.paper import COLOURS, FAINT, figure

FIRST = ("loss", "accuracy")


def draw_training(
    log: dict[str, list[Any]],
    path: str | os.PathLike[str] | None = None,
    best_epoch: int | None = None,
) -> Path | bytes:
    """Draw training curves as a PNG: a panel for each measure, in training and validation.

    Args:
        log: `{column: [epochs]}`, such as `kmeta.runs.Run(folder).log`: "epoch", counted from 0,
            measures such as "loss", and the same in validation, "val_loss". None is a gap.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        best_epoch: counted from 1, marked by a line: that of the weights that were kept.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: if the log has no epoch, or no measure.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> log = {"epoch": [0, 1, 2], "loss": [1.6, 0.9, 0.7], "val_loss": [1.2, 0.8, 0.8]}
    >>> draw_training(log, "training.png", best_epoch=2)
    PosixPath('training.png')
    """
    names = dict.fromkeys(name.removeprefix("val_") for name in log if name != "epoch")
    names = sorted(names, key=lambda name: (FIRST + (name,)).index(name))
    if not names or not log.get("epoch"):
        raise ValueError(
            "Argument `log` must have the column 'epoch', a measure, and one epoch at least. "
            f"Received: columns {list(log)}"
        )
    epochs = [epoch + 1 for epoch in log["epoch"]]
    with figure((3.9 * len(names), 2.6), path) as (sheet, done):
        for name, axes in zip(names, sheet.subplots(1, len(names), squeeze=False)[0], strict=True):
            parts = (("training", name), ("validation", f"val_{name}"))
            for (part, column), colour in zip(parts, COLOURS, strict=False):
                points = [
                    (epoch, value)
                    for epoch, value in zip(epochs, log.get(column, ()), strict=False)
                    if value is not None
                ]
                if points:
                    axes.plot(*zip(*points, strict=True), ".-", color=colour, label=part)
            if best_epoch is not None:
                axes.axvline(best_epoch, color=FAINT, lw=1, ls=":", label="weights kept")
            axes.set(title=name, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend()
        return done()
