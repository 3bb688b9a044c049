"""Pictures of a task and of what a learner makes of it, a row for each class."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

from kmeta.checks import whole_number
from kmeta.episode import Episode, Sequence
from kmeta.plots.paper import BAND, FAINT, FRAME, INK, PAPER, RIGHT, WRONG, check, finish, names_of

TILE = 64
GAP = 6
HEAD = 34
LINE = 15  # height of a name under a picture


def draw_episode(
    episode: Episode,
    query_y: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    class_names: Iterable[str] | None = None,
    task: int = 0,
    predictions: ArrayLike | None = None,
) -> Path | bytes:
    """Draw one task as a PNG: a row for each class, its support on the left, its queries right.

    Args:
        episode: `Episode` of images in [0, 1], `[tasks, items, h, w, c]` with 1 or 3 channels;
            `Episodes` yield such.
        query_y: int `[tasks, queries]`, the queries' labels in 0..way-1.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        class_names: sequence of `way` names, such as `Episodes.class_names_of(index)[task]`; None
            writes the labels.
        task: which task of the episode.
        predictions: int `[tasks, queries]`, what a learner answered, such as
            `learner.predict_on_batch(episode).argmax(-1)`. Queries then have a green frame, or a
            red one with the name of the wrong class below.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> learner = kmeta.load("prototypical-omniglot")
    >>> episode, query_y = kmeta.Episodes(dataset, way=3, shot=1, query=2)[0]
    >>> answers = learner.predict_on_batch(episode).argmax(-1)
    >>> draw_episode(episode, query_y, "task.png", predictions=answers)
    PosixPath('task.png')
    >>> draw_episode(episode, query_y)[:4]
    b'\\x89PNG'
    """
    check(path)
    support_x, query_x = np.asarray(episode.support.x), np.asarray(episode.query_x)
    support_y, query_y = np.asarray(episode.support.y), np.asarray(query_y)
    _check_images("episode.support.x", support_x)
    _check_images("episode.query_x", query_x)
    _check_labels("query_y", query_y, query_x)
    task = whole_number("task", task, 0, len(query_y) - 1)
    way = support_y.shape[-1]
    names = names_of(class_names, way)
    answers = _answers(predictions, query_x, task)
    support = [support_x[task][support_y[task, :, label] > 0] for label in range(way)]
    rows = _by_class(query_x[task], query_y[task], answers, way)
    groups = [("Support", [[(x, None) for x in pictures] for pictures in support])]
    return _draw(names, [*groups, ("Queries", rows)], path)


def draw_sequence(
    sequence: Sequence,
    y: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    class_names: Iterable[str] | None = None,
    task: int = 0,
    predictions: ArrayLike | None = None,
) -> Path | bytes:
    """Draw one sequence as a PNG: a row for each class, its instances as they came.

    Args:
        sequence: `Sequence` of images in [0, 1], `[tasks, steps, h, w, c]`; `SequenceEpisodes`
            yield such.
        y: int `[tasks, steps]`, the labels in 0..way-1.
        path, class_names, task: as in `draw_episode`.
        predictions: int `[tasks, steps]`, what a learner answered, `way` or more for none of the
            classes. Pictures then have a green frame, or a red one with the wrong name below.

    Returns, Raises: as `draw_episode`.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> sequence, y = kmeta.data.SequenceEpisodes(dataset, way=3, instances=2)[0]
    >>> draw_sequence(sequence, y, "sequence.png")
    PosixPath('sequence.png')
    """
    check(path)
    x, y = np.asarray(sequence.x), np.asarray(y)
    _check_images("sequence.x", x)
    _check_labels("y", y, x)
    task = whole_number("task", task, 0, len(y) - 1)
    way = int(y[task].max()) + 1 if class_names is None else len(class_names)
    rows = _by_class(x[task], y[task], _answers(predictions, x, task), way)
    return _draw(names_of(class_names, way), [("Instances, in order of time", rows)], path)


def _answers(predictions, x, task):
    """The answers of one task; -1 for none."""
    if predictions is None:
        return np.full(x.shape[1], -1)
    predictions = np.asarray(predictions)
    _check_labels("predictions", predictions, x)
    return predictions[task]


def _by_class(x, y, answers, way):
    """For each class its pictures with (label, answer), or with None where there is no answer."""
    return [
        [
            (picture, None if answer < 0 else (label, answer))
            for picture, answer in zip(x[y == label], answers[y == label].tolist(), strict=True)
        ]
        for label in range(way)
    ]


def _draw(names, groups, path):
    """Draw rows of classes: `groups` of (title, for each class its pictures with verdicts)."""
    everything = [item for _, rows in groups for row in rows for item in row]
    height, width = _tile_size(everything[0][0].shape[:2])
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    starts = [GAP * 4 + max(int(font.getlength(name)) for name in names)]
    for _, rows in groups:
        starts.append(starts[-1] + max(map(len, rows)) * (width + GAP) + GAP * 4)
    groups = list(zip(starts, *zip(*groups, strict=True), strict=False))
    titles_end = max(int(start + small.getlength(title)) for start, title, _ in groups)
    wrong = any(verdict and verdict[0] != verdict[1] for _, verdict in everything)
    step = height + 2 * GAP + LINE * wrong
    size = (max(starts[-1] - GAP * 3, titles_end + GAP), HEAD + step * len(names))
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        y = HEAD + row * step
        if row % 2 == 0:
            pen.rectangle((0, y, sheet.width, y + step - 1), BAND)
        pen.text((GAP * 2, y + GAP + height / 2), name, INK, font, "lm")
        for start, _, rows in groups:
            for column, (picture, verdict) in enumerate(rows[row]):
                x = start + column * (width + GAP)
                _frame(pen, (x, y + GAP), (width, height), verdict)
                sheet.paste(_tile(picture, (width, height)), (x, y + GAP))
                if verdict and verdict[0] != verdict[1]:
                    wrong_name = _fitting([*names, "?"][min(verdict[1], len(names))], width, small)
                    pen.text((x + width / 2, y + GAP + height + 4), wrong_name, WRONG, small, "mt")
    for number, (start, title, _) in enumerate(groups):
        pen.text((start, HEAD / 2), title, FAINT, small, "lm")
        if number:
            rule = start - GAP * 5 / 2
            pen.line((rule, GAP, rule, sheet.height), FRAME)
    return finish(lambda file: sheet.save(file, "PNG"), path)


def _frame(pen, place, size, verdict):
    """A thin line around a picture; a thick coloured one where there is a verdict."""
    colour, thick = FRAME, 1
    if verdict is not None:
        colour, thick = RIGHT if verdict[0] == verdict[1] else WRONG, 2
    (x, y), (width, height) = place, size
    box = (x - thick, y - thick, x + width + thick - 1, y + height + thick - 1)
    pen.rectangle(box, colour)


def _fitting(name, width, font):
    """The end of a name that is no wider than `width`."""
    if font.getlength(name) <= width:
        return name
    while name and font.getlength("…" + name) > width:
        name = name[1:]
    return "…" + name


def _tile_size(sides):
    """Return height and width on the sheet: whole multiples of small pictures, large ones less."""
    longest = max(sides)
    if longest <= TILE:
        return tuple(side * max(1, round(TILE / longest)) for side in sides)
    factor = min(1.0, 2 * TILE / longest)
    return tuple(max(1, round(side * factor)) for side in sides)


def _tile(picture, size):
    pixels = np.round(picture * 255).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    larger = size[0] > image.width
    how = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    return image.resize(size, how).convert("RGB")


def _check_images(name, x):
    if x.ndim != 5 or x.shape[-1] not in (1, 3):
        raise ValueError(
            f"Argument `{name}` must be images [tasks, items, h, w, 1 or 3]. "
            f"Received: shape {x.shape}"
        )
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"Argument `{name}` must lie in [0, 1]. Received: {x.min()} to {x.max()}")


def _check_labels(name, labels, x):
    if labels.shape != x.shape[:2]:
        raise ValueError(
            f"Argument `{name}` must have the shape {x.shape[:2]}, one label for each picture. "
            f"Received: shape {labels.shape}"
        )
