"""Answers of a learner for images that it has not adapted to: one left out, or other classes."""

from typing import NamedTuple

import numpy as np
from keras import ops

from kmeta.data.images import to_float
from kmeta.data.sampler import Sampler
from kmeta.episode import Support
from kmeta.few_shot import closed_form
from kmeta.few_shot.album import keeps_features
from kmeta.few_shot.estimates import LeaveOneOut
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.learners.metric.prototypical import PrototypicalNetwork
from kmeta.learners.metric.r2d2 import R2D2

MOST = 300  # groups that are left out where a learner has to adapt anew for each


class Answers(NamedTuple):
    """Logits for images of known classes, `[n, way]`, and their labels, int `[n]`; and logits for
    images of classes that were not in the support set, `[m, way or less]`."""

    logits: np.ndarray
    labels: np.ndarray
    unknown: np.ndarray


def groups_of(learner, support, labels, groups):
    """Logits `[queries, way]` of support images that are left out, and which images they are.

    Those of a group are left out together. Prototypes and ridge regression have a closed form;
    other learners adapt anew for each group, for 300 of them at most.

    Args:
        learner: a built `MetaLearner`.
        support: what it keeps of the images, `[items, ...]`, see `kmeta.few_shot.album.Album`.
        labels: int `[items]`.
        groups: list of index arrays, each of one class, and not of all of it.

    Returns:
        `(logits, queries)`.
    """
    if len(groups) > MOST and not isinstance(learner, (PrototypicalNetwork, R2D2)):
        groups = [groups[i] for i in np.linspace(0, len(groups) - 1, MOST).astype(int)]
    queries = np.sort(np.concatenate(groups))
    return _logits(learner, support, labels, groups)[queries], queries


def that_can_be_told(groups, labels):
    """Those groups whose class has other pictures too."""
    counts = np.bincount(labels)
    return [group for group in groups if counts[labels[group[0]]] > len(group)]


def estimate(learner, support, labels, class_names, groups):
    """The `LeaveOneOut` of a support set; None where no class has two pictures that differ."""
    groups = that_can_be_told(groups, labels)
    if not groups:
        return None
    logits, queries = groups_of(learner, support, labels, groups)
    together = sum(len(group) for group in groups if len(group) > 1)
    counts = np.bincount(labels)
    return LeaveOneOut.of(logits, labels[queries], queries, class_names, counts, together)


def classes(learner, support, labels, groups):
    """`Answers` of a support set about itself.

    Known are images left out as `groups`, see `groups_of`; unknown are the images of each class,
    where the class is left out.

    Raises:
        ValueError: if there are fewer than three classes, or there is no group.
    """
    if not isinstance(learner, MetricLearner):
        raise ValueError(
            "Calibration on the pictures themselves leaves classes out, which "
            f"{type(learner).__name__} cannot: it has a fixed number. Give data of other classes"
        )
    way, counts = labels.max() + 1, np.bincount(labels)
    if way < 3 or len(groups) == 0:
        raise ValueError(
            "Calibration on the pictures themselves needs three classes, and one of them with two "
            f"pictures. Received: classes with {counts.tolist()} pictures"
        )
    logits, queries = groups_of(learner, support, labels, groups)
    return Answers(logits, labels[queries], without_class(learner, support, labels))


def without_class(learner, support, labels):
    """Logits `[items, way]` of support images whose class is left out as a whole."""
    whole = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return _logits(learner, support, labels, whole)


def two_halves(album, support, data, episodes, seed):
    """Two sets of `Answers`, to fit to and to score, for a calibration.

    They are halves of those to tasks `drawn` from `data` that are like this one; or, without data,
    both are those of the support set about itself.

    Args:
        album: `kmeta.few_shot.album.Album` of the learner.
        support: `kmeta.few_shot.support_set.SupportSet`.
    """
    if data is None:
        groups = that_can_be_told(support.groups, support.labels)
        found = classes(album.learner, support.items, support.labels, groups)
        return found, found
    way, shot = len(support.class_names), int(np.median(support.counts))
    return drawn(album, data, way, shot, episodes, seed)


def drawn(album, data, way, shot, episodes, seed):
    """Two halves of `Answers` to random tasks with classes of `data`.

    Each task has `way` known and as many unknown classes, or as many as there are, up to five
    queries of each.

    Args:
        album: `kmeta.few_shot.album.Album` of the learner.

    Raises:
        ValueError: if `data` has fewer than four classes, one of them has one image only, or the
            images have another shape than the learner's.
    """
    learner = album.learner
    images = to_float(data.images, "data.images")
    if images.shape[1:] != learner.image_shape:
        raise ValueError(
            f"Argument `data` must have images of the shape {learner.image_shape}. "
            f"Received: {images.shape[1:]}"
        )
    fewest = int(data.counts.min())
    if len(data.class_names) < 4 or fewest < 2:
        raise ValueError(
            "Argument `data` must have four classes at least, with two images or more each. "
            f"Received: {len(data.class_names)} classes, the smallest with {fewest} images"
        )
    way, shot = min(way, len(data.class_names) // 2), min(shot, fewest - 1)
    sampler = Sampler(data.labels, 2 * way, shot, min(5, fewest - shot), seed)
    kept = album.embed(images)
    found = []
    for task in range(episodes):
        _, items, labels, query, query_labels = (x[0] for x in sampler.draw(task))
        one_hot = np.eye(way, dtype="float32")[labels[labels < way]]
        queries = kept[query][:, 0] if learner.views > 1 else kept[query]
        logits = adapted_logits(learner, kept[items[labels < way]], one_hot, queries)
        known = query_labels < way
        found.append(Answers(logits[known], query_labels[known], logits[~known]))
    return tuple(
        Answers(*(np.concatenate(parts) for parts in zip(*found[half::2], strict=True)))
        for half in (0, 1)
    )


def adapted_logits(learner, support, one_hot, queries):
    """Logits `[queries, way]` after adapting to what a learner keeps of a support set."""
    x, y, query_x = (ops.convert_to_tensor(part[None]) for part in (support, one_hot, queries))
    if keeps_features(learner):
        found = learner.compare(learner.summarise(x, y), query_x)
    else:
        found = learner.classify(learner.adapt_state(Support(x, y), deployed=True), query_x)
    return ops.convert_to_numpy(found)[0]


def _logits(learner, support, labels, groups):
    """`[items, way]`: of the images of each group without them, NaN of others; -inf for a class
    that is left with no image."""
    if isinstance(learner, R2D2):
        rows = np.reshape(support, (-1, support.shape[-1]))
        scores, variances = closed_form.ridge(rows, labels, groups, learner.lam, learner.views)
        return learner.scale * (scores - learner.doubt * variances[:, None])
    if isinstance(learner, PrototypicalNetwork):
        return closed_form.prototypes(support, labels, groups, _comparison(learner))
    way, items = labels.max() + 1, np.arange(len(labels))
    found = np.full((len(labels), way), np.nan)
    for group in groups:
        rest = np.delete(items, group)
        kept = np.unique(labels[rest])  # a class may be left out as a whole
        one_hot = (labels[rest, None] == kept).astype("float32")
        found[group] = -np.inf
        found[np.ix_(group, kept)] = adapted_logits(learner, support[rest], one_hot, support[group])
    return found


def _comparison(learner):
    def logits_of(x, prototypes):
        if learner.distance == "cosine":
            cosines = closed_form.unit(x) @ closed_form.unit(prototypes).T
            return learner.scale * cosines
        centre = prototypes.mean(0)  # keeps rounding errors small
        a, b = x - centre, prototypes - centre
        squares = np.square(a).sum(1)[:, None] - 2 * a @ b.T + np.square(b).sum(1)
        return -learner.scale * squares

    return logits_of
