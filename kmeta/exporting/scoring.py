"""The ONNX files of two bundles side by side: accuracy on the same tasks, and time."""

import time

import numpy as np

from kmeta.data.pictures import digest
from kmeta.edge.models import Models

_RUNS, _WARM = 200, 20


def models(folder):
    """The `kmeta.edge.models.Models` of the ONNX files in a folder, on one thread."""
    return Models({path.stem: path.read_bytes() for path in folder.glob("*.onnx")}, folder, 1)


def tasks(episodes):
    """Each task of `kmeta.Episodes`: support images, their labels, queries, their labels.

    Labels are int64. Rows that only fill up a support set are left out.
    """
    from kmeta.learners.streams import rewound  # TensorFlow loads here

    with rewound(episodes):
        for index in range(len(episodes)):
            (support, query_x), query_y = episodes[index]
            for x, y, queries, labels in zip(support.x, support.y, query_x, query_y, strict=True):
                real = y.any(axis=-1)
                yield x[real], y[real].argmax(-1), queries, labels.astype("int64")


def accuracy(before, after, episodes):
    """`{"float": a, "int8": a, "interval": half width}` of two `Models` on the same episodes."""
    both = [_Attentive(found) for found in (before, after)]
    hits = np.array(
        [
            [(found.answers(x, y, queries) == labels).mean() for found in both]
            for x, y, queries, labels in tasks(episodes)
        ]
    )
    falls = hits[:, 0] - hits[:, 1]
    spread = falls.std(ddof=1) if len(falls) > 1 else 0.0
    return {
        "float": float(hits[:, 0].mean()),
        "int8": float(hits[:, 1].mean()),
        "interval": float(1.96 * spread / np.sqrt(len(falls))),
    }


class _Attentive:
    """`Models` that look at each image once, however many tasks it is in."""

    def __init__(self, models):
        self._models, self._support, self._queries = models, {}, {}

    def answers(self, support_images, support_labels, queries):
        """Labels of queries, `[n]`, after adapting to a support set as a device does."""
        embedded = self._seen(self._support, self._models.support, support_images)
        given = {"support_embeddings": embedded, "support_labels": support_labels}
        state = self._models.call("adapt", given)
        given = {"embeddings": self._seen(self._queries, self._embed, queries), **state}
        return self._models.call("classify", given, ["probabilities"])["probabilities"].argmax(-1)

    def _embed(self, images):
        return self._models.run("embed", {"images": images})["embeddings"]

    def _seen(self, known, look, images):
        marks = [digest(image) for image in images]
        for mark, image in zip(marks, images, strict=True):
            if mark not in known:
                known[mark] = look(image[None])[0]
        return np.stack([known[mark] for mark in marks])


def latency(before, after, image):
    """Median milliseconds of `classifier.onnx`; the two take turns, so that both see the same."""
    times = {"float": [], "int8": []}
    for _ in range(_RUNS + _WARM):
        for models, found in zip((before, after), times.values(), strict=True):
            begin = time.perf_counter()
            models.run("serving_default", {"images": image}, ["probabilities"])
            found.append(time.perf_counter() - begin)
    return {name: 1000 * float(np.median(found[_WARM:])) for name, found in times.items()}
