"""A picture of an episode, to look at what a learner is given."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kmeta.data.checks import whole_number

TILE = 64
GAP = 6
PAPER, BAND, INK, FAINT, FRAME = "#ffffff", "#f3f5f8", "#1c2733", "#6b7785", "#c9d1da"


def draw_episode(episode, query_y, path, class_names=None, task=0):
    """Draw one task as a PNG: a row for each class, its support on the left, its queries right.

    Args:
        episode: `Episode` of images in [0, 1], `[tasks, items, h, w, c]` with 1 or 3 channels;
            `Episodes` yield such.
        query_y: int `[tasks, queries]`, the queries' labels in 0..way-1.
        path: of the PNG file; written whole or not at all.
        class_names: sequence of `way` names, such as `Episodes.class_names_of(index)[task]`; None
            writes the labels.
        task: which task of the episode.

    Returns:
        The path, as `pathlib.Path`.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.
    """
    path = _png(path)
    support_x, query_x = np.asarray(episode.support.x), np.asarray(episode.query_x)
    support_y, query_y = np.asarray(episode.support.y), np.asarray(query_y)
    _check(support_x, query_x, query_y)
    task = whole_number("task", task, 0, len(query_y) - 1)
    way = support_y.shape[-1]
    names = _names(class_names, way)
    support = [support_x[task][support_y[task, :, label] > 0] for label in range(way)]
    queries = [query_x[task][query_y[task] == label] for label in range(way)]
    _save(_sheet(support, queries, names), path)
    return path


def _sheet(support, queries, names):
    """Return the PIL image of rows of float pictures `[items, h, w, c]`."""
    height, width = _tile_size(support[0].shape[1:3])
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    left = GAP * 4 + max(int(font.getlength(name)) for name in names)
    middle = left + max(map(len, support)) * (width + GAP) + GAP * 4
    right = middle + max(map(len, queries)) * (width + GAP) + GAP
    top, step = 34, height + 2 * GAP
    sheet = Image.new("RGB", (max(right, middle + 80), top + step * len(names)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((left, top / 2), "Support", FAINT, small, "lm")
    pen.text((middle, top / 2), "Queries", FAINT, small, "lm")
    for row, name in enumerate(names):
        y = top + row * step
        if row % 2 == 0:
            pen.rectangle((0, y, sheet.width, y + step - 1), BAND)
        pen.text((GAP * 2, y + step / 2), name, INK, font, "lm")
        for start, pictures in ((left, support[row]), (middle, queries[row])):
            for column, picture in enumerate(pictures):
                x = start + column * (width + GAP)
                pen.rectangle((x - 1, y + GAP - 1, x + width, y + GAP + height), FRAME)
                sheet.paste(_tile(picture, (width, height)), (x, y + GAP))
    rule = middle - GAP * 5 / 2
    pen.line((rule, GAP, rule, sheet.height), FRAME)
    return sheet


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


def _save(image, path):
    handle, draft = tempfile.mkstemp(suffix=".png", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            image.save(file, "PNG")
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _png(path):
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"Argument `path` must end in .png. Received: path={str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"No such folder: {path.parent}")
    return path


def _check(support_x, query_x, query_y):
    for name, x in (("episode.support.x", support_x), ("episode.query_x", query_x)):
        if x.ndim != 5 or x.shape[-1] not in (1, 3):
            raise ValueError(
                f"Argument `{name}` must be images [tasks, items, h, w, 1 or 3]. "
                f"Received: shape {x.shape}"
            )
        if not (x.min() >= 0 and x.max() <= 1):
            raise ValueError(
                f"Argument `{name}` must lie in [0, 1]. Received: {x.min()} to {x.max()}"
            )
    if query_y.shape != query_x.shape[:2]:
        raise ValueError(
            f"Argument `query_y` must have the shape {query_x.shape[:2]}, one label for each "
            f"query. Received: shape {query_y.shape}"
        )


def _names(class_names, way):
    if class_names is None:
        return [str(label) for label in range(way)]
    names = list(map(str, class_names))
    if len(names) != way:
        raise ValueError(
            f"Argument `class_names` must have {way} names, one for each class. "
            f"Received: {len(names)}"
        )
    return names
