"""Answers of a learner for images that it has not adapted to: one left out, or other classes."""

from typing import NamedTuple

import numpy as np
from keras import ops

from kmeta.data.images import to_float
from kmeta.data.sampler import Sampler
from kmeta.episode import Support
from kmeta.learners.metric.metric_learner import MetricLearner

_IMAGES = 256  # images embedded at once


class Answers(NamedTuple):
    """Logits for images of known classes, `[n, way]`, and their labels, int `[n]`; and logits for
    images of classes that were not in the support set, `[m, way or less]`."""

    logits: np.ndarray
    labels: np.ndarray
    unknown: np.ndarray


def one(learner, images, labels, queries):
    """Logits `[queries, way]` of support images, each left out of the support set it is asked of.

    Args:
        learner: a built `MetaLearner`.
        images: `[items, ...]` floats in [0, 1].
        labels: int `[items]`.
        queries: int `[queries]`, which of the images; their classes have others too.
    """
    return _one(_Seen(learner, images), _one_hot(labels), queries)


def _one(seen, one_hot, queries):
    items = np.arange(len(one_hot))
    return np.concatenate([seen.logits(one_hot, np.delete(items, i), [i]) for i in queries])


def classes(learner, images, labels):
    """`Answers` of a support set about itself.

    Known are images left out one by one, where their class has others; unknown are the images of
    each class, where the class is left out.

    Raises:
        ValueError: if there are fewer than three classes, or none has two images.
    """
    if not isinstance(learner, MetricLearner):
        raise ValueError(
            "Calibration on the pictures themselves leaves classes out, which "
            f"{type(learner).__name__} cannot: it has a fixed number. Give data of other classes"
        )
    way, counts = labels.max() + 1, np.bincount(labels)
    queries = np.flatnonzero(counts[labels] > 1)
    if way < 3 or len(queries) == 0:
        raise ValueError(
            "Calibration on the pictures themselves needs three classes, and one of them with two "
            f"pictures. Received: classes with {counts.tolist()} pictures"
        )
    seen, one_hot, unknown = _Seen(learner, images), _one_hot(labels), []
    for label in range(way):
        others = np.delete(one_hot, label, axis=1)
        left_out = labels == label
        unknown.append(seen.logits(others, np.flatnonzero(~left_out), np.flatnonzero(left_out)))
    return Answers(_one(seen, one_hot, queries), labels[queries], np.concatenate(unknown))


def drawn(learner, data, way, shot, episodes, seed):
    """Two halves of `Answers` to random tasks with classes of `data`.

    Each task has `way` known and as many unknown classes, or as many as there are, up to five
    queries of each.

    Raises:
        ValueError: if `data` has fewer than four classes, one of them has one image only, or the
            images have another shape than the learner's.
    """
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
    seen, found = _Seen(learner, images), []
    for task in range(episodes):
        _, support, support_labels, query, query_labels = (x[0] for x in sampler.draw(task))
        one_hot = np.zeros((len(images), way), "float32")
        items = support[support_labels < way]
        one_hot[items, support_labels[support_labels < way]] = 1
        logits, known = seen.logits(one_hot, items, query), query_labels < way
        found.append(Answers(logits[known], query_labels[known], logits[~known]))
    return tuple(
        Answers(*(np.concatenate(parts) for parts in zip(*found[half::2], strict=True)))
        for half in (0, 1)
    )


def _one_hot(labels):
    return np.eye(labels.max() + 1, dtype="float32")[labels]


class _Seen:
    """Images as a learner keeps them: embedded once if it compares embeddings."""

    def __init__(self, learner, images):
        self.learner = learner
        self.is_metric = isinstance(learner, MetricLearner)
        self.queries = self._embedded(images, learner.embed)
        self.support = self.queries
        if getattr(learner, "support_embedding", None) is not None:
            self.support = self._embedded(images, learner.embed_support)

    def logits(self, one_hot, items, queries):
        """`[queries, way]` after adapting to `items`, of labels `one_hot` `[images, way]`."""
        rows = self.support[items], one_hot[items], self.queries[queries]
        x, y, query_x = (ops.convert_to_tensor(part[None]) for part in rows)
        if self.is_metric:
            found = self.learner.compare(self.learner.summarise(x, y), query_x)
        else:
            found = self.learner.classify(self.learner.deployed_state(Support(x, y)), query_x)
        return ops.convert_to_numpy(found)[0]

    def _embedded(self, images, embed):
        if not self.is_metric:
            return images
        parts = [images[i : i + _IMAGES] for i in range(0, len(images), _IMAGES)]
        return np.concatenate([ops.convert_to_numpy(embed(part[None]))[0] for part in parts])
