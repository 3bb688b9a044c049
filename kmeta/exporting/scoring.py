"""The ONNX files of two bundles side by side: accuracy on the same tasks, and time."""

import time

import numpy as np

_RUNS, _WARM = 200, 20


class Models:
    """The ONNX files of a folder, each loaded when it is first needed, on one thread."""

    def __init__(self, folder):
        self._folder = folder
        self._loaded = {}

    def session(self, stem):
        """The session of `<stem>.onnx`."""
        import onnxruntime

        if stem not in self._loaded:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self._loaded[stem] = onnxruntime.InferenceSession(
                self._folder / f"{stem}.onnx", options, providers=["CPUExecutionProvider"]
            )
        return self._loaded[stem]

    def inputs(self, stem):
        """Names of the inputs of a file."""
        return [given.name for given in self.session(stem).get_inputs()]

    def run(self, stem, given):
        """All outputs of a file, by name."""
        session = self.session(stem)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, given), strict=True))

    def answers(self, support_images, support_labels, queries):
        """Labels of queries, `[n]`, after adapting to a support set as a device does."""
        support = {"support_images": support_images, "support_labels": support_labels}
        given = {"queries": queries, **self.run("adapt", support)}
        return self.run("classify", given)["probabilities"].argmax(-1)


def tasks(episodes):
    """Each task of `kmeta.Episodes`: support images, their labels, queries, their labels.

    Labels are int64. Rows that only fill up a support set are left out.
    """
    from kmeta.learners.meta_learner import rewound  # TensorFlow loads here

    with rewound(episodes):
        for index in range(len(episodes)):
            (support, query_x), query_y = episodes[index]
            for x, y, queries, labels in zip(support.x, support.y, query_x, query_y, strict=True):
                real = y.any(axis=-1)
                yield x[real], y[real].argmax(-1), queries, labels.astype("int64")


def accuracy(before, after, episodes):
    """`{"float": a, "int8": a, "interval": half width}` of two `Models` on the same episodes."""
    hits = np.array(
        [
            [(models.answers(x, y, queries) == labels).mean() for models in (before, after)]
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


def latency(before, after, image):
    """Median milliseconds of `classifier.onnx`; the two take turns, so that both see the same."""
    times = {"float": [], "int8": []}
    for _ in range(_RUNS + _WARM):
        for models, found in zip((before, after), times.values(), strict=True):
            begin = time.perf_counter()
            models.session("classifier").run(["probabilities"], {"images": image})
            found.append(time.perf_counter() - begin)
    return {name: 1000 * float(np.median(found[_WARM:])) for name, found in times.items()}
