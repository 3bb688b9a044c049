"""A picture of a task in the plane of its two principal components."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kmeta.checks import whole_number
from kmeta.episode import Episode
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.learners.networks import check_vectors
from kmeta.plots.paper import COLOURS, FAINT, INK, PAPER, WRONG, figure, names_of, short

_MARKS = "os^D"  # where there are more classes than colours


def principal_plane(points: ArrayLike) -> tuple[np.ndarray, float]:
    """The plane through points in which they differ most (principal component analysis).

    Args:
        points: `[n, features]`, at least two of each.

    Returns:
        `(coordinates, share)`: `[n, 2]`, with mean 0, along the directions of the largest and of
        the second largest variance, each turned so that its largest component is positive; and the
        share of all variance that lies in the plane, 0 to 1.

    Raises:
        ValueError: if `points` is not of this form.

    >>> coordinates, share = principal_plane([[0, 0, 0], [2, 0, 0], [0, 1, 0], [2, 1, 0]])
    >>> coordinates.shape, round(share, 3)
    ((4, 2), 1.0)
    """
    points = np.asarray(points, "float64")
    if points.ndim != 2 or min(points.shape) < 2:
        raise ValueError(
            "Argument `points` must be [n, features], with at least two of each. "
            f"Received: shape {points.shape}"
        )
    centred = points - points.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    plane = directions[:2]
    largest = np.take_along_axis(plane, np.abs(plane).argmax(axis=1, keepdims=True), axis=1)
    coordinates = centred @ (plane * np.sign(largest)).T
    variance = np.square(sizes)
    return coordinates, float(variance[:2].sum() / (variance.sum() or 1.0))


def draw_plane(
    learner: MetricLearner,
    episode: Episode,
    query_y: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | None = None,
    task: int = 0,
) -> Path | bytes:
    """Draw the embedded support set and queries of one task as a PNG, in their principal plane.

    A colour for each class. Hollow squares are support items, stars the prototypes of a
    `PrototypicalNetwork`, dots queries; queries that the learner names wrongly have a red edge.
    Where a learner compares by cosine, vectors are scaled to length 1. Full context is left out.

    Args:
        learner: a metric learner whose embedding gives vectors, such as `PrototypicalNetwork`.
        episode: `Episode`, arrays.
        query_y: int `[tasks, queries]`, in 0..way-1.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        class_names: sequence of `way` names; None writes the labels.
        task: which task of the episode.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where an argument is not of this form.
        FileNotFoundError: where the folder of `path` does not exist.

    >>> dataset = kmeta.data.load("glyphs", "val")
    >>> learner = kmeta.load("prototypical-omniglot")
    >>> episode, query_y = kmeta.Episodes(dataset, way=3, shot=1, query=2)[0]
    >>> draw_plane(learner, episode, query_y, "plane.png")
    PosixPath('plane.png')
    """
    if not isinstance(learner, MetricLearner):
        raise ValueError(
            "Argument `learner` must be a metric learner. "
            f"Received: learner of type {type(learner).__name__}"
        )
    task = whole_number("task", task, 0, len(query_y) - 1)
    labels, truth = np.asarray(episode.support.y)[task], np.asarray(query_y)[task]
    way = labels.shape[-1]
    names = [short(name) for name in names_of(class_names, way)]
    parts = _vectors(learner, episode, task)
    right = learner.predict_on_batch(episode)[task].argmax(-1) == truth
    coordinates, share = principal_plane(np.concatenate(parts))
    support, centres, queries = np.split(coordinates, np.cumsum([len(part) for part in parts])[:-1])
    colours = np.array([COLOURS[label % len(COLOURS)] for label in range(way)])
    of_support = labels[labels.any(axis=-1)].argmax(axis=-1)
    with figure((6.2, 4.2), path) as (sheet, done):
        axes = sheet.subplots()
        edges = {"facecolors": "none", "edgecolors": colours[of_support], "linewidths": 1.4}
        axes.scatter(*support.T, s=90, marker="s", zorder=2, **edges)
        if len(centres):
            axes.scatter(*centres.T, s=150, marker="*", c=colours, edgecolors=INK, zorder=4)
        for label in range(way):
            for hit, edge, width in ((True, PAPER, 0.8), (False, WRONG, 1.8)):
                chosen = queries[(truth == label) & (right == hit)]
                look = {"c": colours[label], "edgecolors": edge, "linewidths": width}
                axes.scatter(*chosen.T, s=34, zorder=3, **look)
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.set_adjustable("datalim")
        axes.set_title(f"{100 * share:.0f} % of the variance lies in this plane", color=FAINT)
        _legend(sheet, axes, names, colours, len(centres) > 0, not right.all())
        return done()


def draw_classes(
    features: ArrayLike,
    labels: ArrayLike,
    path: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Path | bytes:
    """Draw items of several classes as a PNG, in the principal plane of their unit features.

    Args:
        features: `[n, d]`, at least two of each.
        labels: int `[n]`, from 0 to way-1.
        path: of the PNG file, written whole or not at all; None returns the PNG as bytes.
        class_names: sequence of `way` names; None writes the labels.

    Returns:
        The path, as `pathlib.Path`, or the bytes.

    Raises:
        ValueError: where `features` is not of this form.

    >>> draw_classes(np.eye(4), np.array([0, 0, 1, 1]), "classes.png")
    PosixPath('classes.png')
    """
    features, labels = np.asarray(features, "float64"), np.asarray(labels)
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    coordinates, share = principal_plane(features / np.maximum(lengths, 1e-12))
    names = [short(name) for name in names_of(class_names, int(labels.max()) + 1)]
    with figure((6.2, 4.2), path) as (sheet, done):
        axes = sheet.subplots()
        for label, name in enumerate(names):
            look = {"c": COLOURS[label % len(COLOURS)], "marker": _MARKS[label // len(COLOURS) % 4]}
            chosen = coordinates[labels == label]
            axes.scatter(*chosen.T, s=34, edgecolors=PAPER, linewidths=0.8, label=name, **look)
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.set_adjustable("datalim")
        axes.set_title(f"{100 * share:.0f} % of the variance lies in this plane", color=FAINT)
        sheet.legend(loc="outside right upper")
        return done()


def _vectors(learner, episode, task):
    """Support items, prototypes (there may be none) and queries, each `[items, features]`."""
    with learner.statistics():
        support, queries = learner.embed_episode(episode)
    check_vectors(learner.feature_shape)
    state = learner.summarise(support, episode.support.y)
    centres = np.asarray(state.get("prototypes", queries[:, :0]))[task]
    real = np.asarray(episode.support.y)[task].any(axis=-1)
    parts = [np.asarray(support)[task][real], centres, np.asarray(queries)[task]]
    if getattr(learner, "distance", "cosine") != "cosine":
        return parts
    return [x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12) for x in parts]


def _legend(sheet, axes, names, colours, prototypes, wrong):
    marks = [("support", "s", "none", INK, 7)]
    marks += [("prototype", "*", INK, INK, 10)] if prototypes else []
    marks += [("query", "o", INK, PAPER, 6)]
    marks += [("named wrongly", "o", INK, WRONG, 6)] if wrong else []
    handles = [
        axes.plot([], [], mark, color=colour, mec=edge, ms=size, label=label)[0]
        for label, mark, colour, edge, size in marks
    ]
    handles += [
        axes.plot([], [], "o", color=colour, ms=7, label=name)[0]
        for name, colour in zip(names, colours, strict=True)
    ]
    sheet.legend(handles=handles, loc="outside right upper")
