"""Glyphs: invented handwritten characters, drawn by the library itself, in the manner of Omniglot.

For trying things out, for tests and for pre-training where there is no Omniglot. Characters are
made as in the generative model of Lake et al. (2015), reduced to a few lines: a script has a habit
of sub-strokes; a character is one to four pen strokes of chained sub-strokes, each begun where an
earlier one begins, ends or passes, or apart; a drawer repeats it with an unsteady hand.
"""

import numpy as np

from kmeta.checks import one_of, seed_number, whole_number
from kmeta.data.dataset import Dataset

SIDE = 105
EDGE = 4
CHARACTERS = 20
SCRIPTS = {"train": range(20), "val": range(20, 23), "test": range(23, 30)}

# Sub-strokes as a turtle's walk: (turn in degrees, length) of each step. Mirrored at random.
MOTIFS = {
    "line": [(0, 1.0)],
    "short": [(0, 0.5)],
    "corner": [(0, 0.8), (90, 0.7)],
    "sharp": [(0, 0.8), (130, 0.7)],
    "zigzag": [(0, 0.6), (120, 0.5), (-120, 0.6)],
    "step": [(0, 0.5), (90, 0.4), (-90, 0.5)],
    "box": [(0, 0.6), (90, 0.6), (90, 0.6), (90, 0.55)],
    "hook": [(0, 0.7), (30, 0.15), (50, 0.15), (50, 0.15)],
    "bow": [(0, 0.25)] + [(25, 0.25)] * 4,
    "half": [(0, 0.2)] + [(36, 0.22)] * 5,
    "loop": [(0, 0.18)] + [(40, 0.18)] * 9,
    "curl": [(0, 0.5), (25, 0.2)] + [(50, 0.15)] * 6,
    "wave": [(0, 0.2), (40, 0.2), (40, 0.2), (-30, 0.2), (-50, 0.2), (-40, 0.2)],
    "arch": [(0, 0.4)] + [(-60, 0.15)] * 3 + [(0, 0.35)],
}
PEN = [(x, y) for x in range(-2, 2) for y in range(-2, 2)]
HEADINGS = (0, 0, 90, 90, 90, 45, 135, -45)  # degrees clockwise from rightwards


def load(split, data_dir=None, size=28, seed=0, drawers=20):
    """Return a split of Glyphs: images uint8 `[n, size, size, 1]`, ink 255 on paper 0.

    Args:
        split: "train", "val" or "test": 400, 60 and 140 characters, of scripts of 20 characters
            that are in no other split.
        data_dir: not used, as nothing is read.
        size: side in pixels, sampled without grey values from 105; None keeps 105.
        seed: other seeds give other scripts. The same seed gives the same pixels everywhere.
        drawers: drawings of a character.

    Returns:
        A `Dataset`, with classes named "scriptNN/characterNN".

    Raises:
        ValueError: if an option is wrong.
    """
    one_of("split", split, tuple(SCRIPTS))
    size = SIDE if size is None else whole_number("size", size)
    seed, drawers = seed_number(seed), whole_number("drawers", drawers)
    images, names = [], []
    for script in SCRIPTS[split]:
        habit = _Habit(np.random.default_rng([seed, script]), drawers)
        for number in range(CHARACTERS):
            rng = np.random.default_rng([seed, script, number])
            images.append(_sample(rasterise(_character(rng, habit)), size))
            names.append(f"script{script + 1:02d}/character{number + 1:02d}")
    images = np.concatenate(images)[..., None] * np.uint8(255)
    return Dataset(
        images, np.repeat(np.arange(len(names)), drawers), tuple(names), f"glyphs-{split}"
    )


class _Habit:
    """What the characters of a script have in common, and its drawers' hands."""

    def __init__(self, rng, drawers):
        self.weights = rng.random(len(MOTIFS)) ** 3
        self.roundness = rng.random()
        self.bar = rng.random() < 0.15
        self.size = 58 + 16 * rng.random()
        self.slant = 0.12 * normal(rng, drawers)
        self.turn = 4 * normal(rng, drawers)
        self.scale = np.exp(0.16 * normal(rng, drawers))
        self.tremor = np.exp(0.3 * normal(rng, drawers))
        self.drawers = drawers


def _character(rng, habit):
    """Return the strokes of every drawer's version: a list of `[drawers, points, 2]`, in pixels."""
    count = 1 + int((rng.random(3) < (0.75, 0.5, 0.25)).cumprod().sum())
    strokes = []
    if habit.bar:
        strokes.append(_walk(rng, habit, [(0, 1.2)], 0, 0))
    for _ in range(count):
        steps, rounds = _steps(rng, habit, alone=count == 1)
        heading = HEADINGS[int(rng.random() * len(HEADINGS))]
        stroke = _walk(rng, habit, steps, heading, rounds)
        strokes.append(stroke + _place(rng, strokes, stroke))
    return _on_paper(rng, habit, strokes)


def _steps(rng, habit, alone):
    """Chain one to three sub-strokes; return their steps and how often to round their corners."""
    chain = 1 + int((rng.random(2) < (0.85 if alone else 0.35, 0.35)).cumprod().sum())
    share = np.cumsum(habit.weights) / habit.weights.sum()
    steps = []
    while chain > 0 or (alone and len(steps) < 4):
        chain -= 1
        motif = list(MOTIFS.values())[int(np.searchsorted(share, rng.random()))]
        mirror = 1 if rng.random() < 0.5 else -1
        turn = (0, 0, 60, 90, -60, -90)[int(rng.random() * 6)] if steps else 0
        scale = 0.7 + 0.6 * rng.random()
        steps += [
            (mirror * angle + (turn if i == 0 else 0), scale * length)
            for i, (angle, length) in enumerate(motif)
        ]
    return steps, 2 if rng.random() < habit.roundness else 0


def _walk(rng, habit, steps, heading, rounds):
    """Return the paths of the drawers' hands, `[drawers, points, 2]`, x rightwards, y downwards."""
    shape = (habit.drawers, len(steps))
    tremor = habit.tremor[:, None]
    turns, lengths = np.array(steps, float).T
    angles = heading + np.cumsum(turns + 4 * tremor * normal(rng, *shape), axis=1)
    lengths = lengths * np.exp(0.1 * tremor * normal(rng, *shape))
    angles = np.radians(angles)
    moves = lengths[..., None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    path = np.concatenate([np.zeros((habit.drawers, 1, 2)), np.cumsum(moves, axis=1)], axis=1)
    for _ in range(rounds):
        path = _rounded(path)
    return path


def _rounded(path):
    """Cut the corners of paths (Chaikin 1974), ends kept."""
    near = 0.75 * path[:, :-1] + 0.25 * path[:, 1:]
    far = 0.25 * path[:, :-1] + 0.75 * path[:, 1:]
    cut = np.stack([near, far], axis=2).reshape(len(path), -1, 2)
    return np.concatenate([path[:, :1], cut[:, 1:-1], path[:, -1:]], axis=1)


def _place(rng, earlier, stroke):
    """Return where to put a stroke, `[drawers, 1, 2]`: on an earlier one, or apart from it.

    Of three places at random the one that overlaps least is taken.
    """
    if not earlier:
        return 0.0
    drawn = np.concatenate(earlier, axis=1).mean(axis=0)
    shifts = [_shift(rng, earlier[int(rng.random() * len(earlier))], stroke) for _ in range(3)]
    return max(shifts, key=lambda shift: _gap((stroke + shift).mean(axis=0), drawn))


def _shift(rng, base, stroke):
    place, own, apart = rng.random(3)
    anchor = base[:, min(int(place * 1.4 * base.shape[1]), base.shape[1] - 1)]
    held = stroke[:, (0, 0, 0, stroke.shape[1] // 2, -1)[int(own * 5)]]
    shift = anchor - held + 0.035 * normal(rng, len(stroke), 2)
    aside = 0.3 * np.sign(rng.random(2) - 0.5)
    return (shift + aside if apart < 0.2 else shift)[:, None]


def _gap(points, others):
    distances = np.linalg.norm(points[:, None] - others[None], axis=-1)
    return round(float(distances.min(axis=1).mean()), 6)


def _on_paper(rng, habit, strokes):
    """Scale, slant and shift the drawers' versions onto the sheet."""
    every = np.concatenate(strokes, axis=1)
    extents = np.median(np.ptp(every, axis=1), axis=0)
    extent = extents.max()
    squarer = (extent / np.maximum(extents, extent / 8)) ** 0.4
    length = sum(np.linalg.norm(np.diff(s, axis=1), axis=-1).sum(axis=1).mean() for s in strokes)
    n = habit.drawers
    crowding = np.clip(0.6 + 0.11 * length / extent, 0.6, 1.3)
    size = habit.size * crowding * (0.85 + 0.3 * rng.random()) * habit.scale / extent
    sides = size[:, None] * np.exp(0.08 * normal(rng, n, 2)) * squarer
    angle = np.radians(habit.turn + 3 * normal(rng, n))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    slant = habit.slant[:, None]
    middle = np.array([50.0, 48.0]) + normal(rng, n, 2) * (5, 6)
    result = []
    centre = (every.max(axis=1) + every.min(axis=1)) / 2
    for stroke in strokes:
        path = (stroke - centre[:, None]) * sides[:, None]
        path = np.stack([path[..., 0] - slant * path[..., 1], path[..., 1]], axis=-1)
        result.append(np.einsum("npi,ijn->npj", path, turn) + middle[:, None])
    return _inside(result)


def _inside(strokes):
    """Shrink and shift what would leave the sheet, each drawing by itself."""
    every = np.concatenate(strokes, axis=1)
    low, high = every.min(axis=1), every.max(axis=1)
    shrink = np.minimum(1, (SIDE - 2 * EDGE) / np.maximum(high - low, 1)).min(axis=1)
    half = (high - low) / 2 * shrink[:, None]
    middle = np.clip((low + high) / 2, EDGE + half, SIDE - EDGE - half)
    centre, shrink = ((low + high) / 2)[:, None], shrink[:, None, None]
    return [(stroke - centre) * shrink + middle[:, None] for stroke in strokes]


def rasterise(strokes):
    """Return drawings as bool `[drawers, 105, 105]` of strokes `[drawers, points, 2]` in pixels.

    The pen is a square of 4 pixels. Points must be at least 3 pixels inside the sheet. Drawings
    that were shrunk to fit touch its border, where the last digits, which differ between
    processors, would choose the pixel: they are rounded off.
    """
    sheet = np.zeros((len(strokes[0]), SIDE, SIDE), bool)
    for stroke in strokes:
        start, move = stroke[:, :-1], np.diff(stroke, axis=1)
        parts = max(1, int(np.ceil(np.abs(move).max())))
        dots = start[:, :, None] + move[:, :, None] * (np.arange(parts + 1) / parts)[:, None]
        x, y = np.moveaxis(np.round(dots, 6).astype(np.int64), -1, 0).reshape(2, len(sheet), -1)
        drawer = np.arange(len(sheet))[:, None]
        for dx, dy in PEN:
            sheet[drawer, y + dy, x + dx] = True
    return sheet


def _sample(sheets, size):
    at = ((np.arange(size) + 0.5) * SIDE / size).astype(np.int64)
    return sheets[:, at[:, None], at]


def normal(rng, *shape):
    """Return noise of mean 0 and deviation 1, from uniform numbers only: at most 3 in size."""
    return (2 * rng.random((3, *shape)) - 1).sum(axis=0)
