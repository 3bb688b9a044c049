"""A picture of regression tasks and of what a learner predicts for them."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kmeta.data.checks import whole_number
from kmeta.data.picture import FAINT, FRAME, INK, PAPER, _png, _save

PANEL, EDGE, HEAD = (300, 220), 14, 34
COLOURS = ("#c9a227", "#2f7ed8", "#b5338a", "#2e8b57")


def draw_curves(episode, query_y, predictions, path, tasks=3):
    """Draw regression tasks as a PNG, one panel a task: support points, the truth, predictions.

    Args:
        episode: `Episode` with one number as input and one as output, `[tasks, items, 1]`;
            `SinusoidEpisodes` yields such.
        query_y: `[tasks, queries, 1]`, drawn as a thin line; queries need no order.
        predictions: `{name: [tasks, queries, 1]}`, up to four, such as those after 0, 1 and 10
            inner steps.
        path: of the PNG file; written whole or not at all.
        tasks: how many to draw, the first ones of the episode.

    Returns:
        The path, as `pathlib.Path`.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.
    """
    path = _png(path)
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
    sheet = Image.new("RGB", (tasks * (PANEL[0] + EDGE) + EDGE, PANEL[1] + HEAD + EDGE), PAPER)
    pen = ImageDraw.Draw(sheet)
    _legend(pen, predictions)
    curves = [(truth, FAINT, 1)]
    curves += [(y, colour, 2) for y, colour in zip(predictions.values(), COLOURS, strict=False)]
    for task in range(tasks):
        points = [np.asarray(part)[task, :, 0] for part in episode.support]
        lines = [(y[task, :, 0], colour, width) for y, colour, width in curves]
        _panel(pen, EDGE + task * (PANEL[0] + EDGE), x[task, :, 0], lines, points)
    _save(sheet, path)
    return path


def _legend(pen, predictions):
    font, left = ImageFont.load_default(13), EDGE
    entries = [("support", INK), ("truth", FAINT), *zip(predictions, COLOURS, strict=False)]
    for name, colour in entries:
        if name == "support":
            pen.ellipse((left + 4, HEAD / 2 - 3, left + 10, HEAD / 2 + 3), colour)
        else:
            pen.line((left, HEAD / 2, left + 14, HEAD / 2), colour, 2)
        pen.text((left + 19, HEAD / 2), str(name), INK, font, "lm")
        left += 36 + int(font.getlength(str(name)))


def _panel(pen, left, x, lines, points):
    """One task: `x` [queries], `lines` of (y, colour, width), `points` of the support (x, y)."""
    spans = [np.concatenate([x, points[0]])]
    spans.append(np.concatenate([points[1], *(y for y, _, _ in lines)]))
    pen.rectangle((left, HEAD, left + PANEL[0], HEAD + PANEL[1]), None, FRAME)

    def place(x, y):
        shares = [(v - s.min()) / (np.ptp(s) or 1.0) for v, s in zip((x, y), spans, strict=True)]
        across = left + 8 + shares[0] * (PANEL[0] - 16)
        down = HEAD + PANEL[1] - 8 - shares[1] * (PANEL[1] - 16)
        return list(zip(across.tolist(), down.tolist(), strict=True))

    order = np.argsort(x)
    for y, colour, width in lines:
        pen.line(place(x[order], y[order]), colour, width)
    for across, down in place(*points):
        pen.ellipse((across - 4, down - 4, across + 4, down + 4), INK)
