"""Predictions on a device, beside onnxruntime alone and TensorFlow: `python benchmarks/edge.py`.

Learners of the package are adapted to five characters and exported; the bundle's answers by
`kmeta_edge`, which checks pictures and answers, are timed beside a bare onnxruntime session on the
same file, and beside TensorFlow on the same bundle's SavedModel. Each answers one picture, and 32
at once, in turns; medians are printed. The answers of all three are first shown to agree.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

import kmeta
from kmeta.edge import FewShotClassifier
from kmeta.edge.bench import bare_session, interleaved
from kmeta.runs.machines import machine

LEARNERS = ("prototypical-omniglot", "matching-omniglot")
BATCHES = (1, 32)
RUNS = 300


def main():
    """Print a line a learner and number of pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--out", help="JSON file to write")
    arguments = parser.parse_args()
    rows = []
    for name in LEARNERS:
        with tempfile.TemporaryDirectory() as folder:
            rows += compare(name, pathlib.Path(folder) / "bundle", arguments.runs)
    record = {"machine": machine(), "rows": rows}
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps(record, indent=1) + "\n")


def compare(name, bundle, runs):
    """A row for each number of pictures."""
    episodes = kmeta.Episodes(kmeta.data.load("glyphs", "test"), way=5, shot=1, query=15)
    (support, query_x), _ = episodes[0]
    kmeta.export(kmeta.load(name).adapt(support.x[0], support.y[0].argmax(-1)), str(bundle))
    classifier = FewShotClassifier.load(str(bundle))
    model = tf.saved_model.load(str(bundle / "saved_model" / "1")).signatures["serving_default"]
    (given,) = model.structured_input_signature[1]
    for count in BATCHES:
        images = query_x[0, :count]
        functions = {
            "kmeta_edge": lambda images=images: classifier.predict(images),
            "onnxruntime": bare_session(classifier, images),
            "tensorflow": lambda images=images: model(**{given: tf.constant(images)})[
                "probabilities"
            ].numpy(),
        }
        ours, bare, theirs = (np.asarray(function()) for function in functions.values())
        difference = max(abs(ours - bare).max(), abs(ours - theirs).max())
        if difference > 1e-5:
            raise SystemExit(f"The answers of {name} differ by {difference}")
        times = dict(zip(functions, interleaved(runs, *functions.values()), strict=True))
        print(f"{name}, {count} at once:", ", ".join(f"{k} {v:.2f} ms" for k, v in times.items()))
        yield {"learner": name, "pictures": count, "milliseconds": times}


if __name__ == "__main__":
    main()
