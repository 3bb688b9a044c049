"""How fast a bundle starts and predicts on this machine, and how much memory it takes."""

import os
import subprocess
import sys
import time

import numpy as np

from .classifier import FewShotClassifier
from .runtime import onnxruntime

_FIRST = """
import sys
import numpy as np
from importlib import import_module
classifier = import_module(sys.argv[2]).FewShotClassifier.load(sys.argv[1])
classifier.predict(np.zeros((1, *classifier.image_shape), "float32"))
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(line.split()[1] for line in lines if line.startswith("VmRSS")))
except OSError:
    print(0)
"""


def measure(directory, runs):
    """Figures of a bundle as texts, by what they are.

    Raises:
        ValueError: as `FewShotClassifier.load`.
    """
    classifier = FewShotClassifier.load(directory)
    starts, resident = [], 0
    for _ in range(3):
        begin = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-c", _FIRST, directory, __package__],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        )
        starts.append(time.perf_counter() - begin)
        resident = int(process.stdout)
    image = np.zeros((1, *classifier.image_shape), "float32")
    ours, bare = interleaved(
        runs, lambda: classifier.predict(image), bare_session(classifier, image)
    )
    return {
        "process start to first prediction": f"{min(starts):.2f} s",
        "resident memory after it": f"{resident / 1024:.0f} MiB" if resident else "not known here",
        "one image, median": f"{ours:.3f} ms",
        "the same in a bare onnxruntime session": f"{bare:.3f} ms",
        "ratio": f"{ours / bare:.2f}",
    }


def bare_session(classifier, images):
    """A function that does the same computation by onnxruntime alone."""
    models, (signature, given) = classifier._models, classifier._request(images)
    first = _session(models, models.network)
    if signature == "serving_default":
        return lambda: first.run(["probabilities"], given)
    second, queries = _session(models, "classify"), given.pop("queries")

    def run():
        (embeddings,) = first.run(["embeddings"], {"images": queries})
        return second.run(["probabilities"], {"embeddings": embeddings, **given})

    return run


def _session(models, name):
    return onnxruntime().InferenceSession(models.contents[name], providers=["CPUExecutionProvider"])


def interleaved(runs, *functions):
    """Median times in milliseconds of functions that take turns, so that all see the same."""
    times = [[] for _ in functions]
    for index in range(runs + 20):
        for function, found in zip(functions, times, strict=True):
            begin = time.perf_counter()
            function()
            if index >= 20:
                found.append(time.perf_counter() - begin)
    return tuple(1000 * float(np.median(found)) for found in times)
