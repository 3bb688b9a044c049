"""Compare the models of a bundle with its sample: `verify.py FOLDER [ENTRIES OF sys.path ...]`.

Run by path in a fresh process. Needs NumPy, TensorFlow and onnxruntime; kmeta and Keras cannot be
imported here, so that a bundle that passes needs neither. The last line of the output is
`{"saved_model": d, "onnx": d}`, the largest absolute differences over batches of one and of all
images; NaN where an output is not a number or has another shape.
"""

import json
import os
import sys

_FORBIDDEN = ("kmeta", "keras")


def main(folder, *search_path):
    """Write the largest differences of the models in `folder` to the output."""
    sys.path.extend(entry for entry in search_path if entry not in sys.path)
    for name in _FORBIDDEN:
        sys.modules[name] = None  # importing it fails from here on

    import numpy as np

    with np.load(os.path.join(folder, "sample.npz")) as sample:
        images, expected = sample["images"], sample["probabilities"]

    def largest_difference(predict):
        differences = []
        for batch in (slice(0, 1), slice(None)):
            output = predict(images[batch])
            fits = output.shape == expected[batch].shape
            differences.append(np.abs(output - expected[batch]).max() if fits else np.nan)
        return float(np.max(differences))

    differences = {
        "saved_model": largest_difference(_saved_model(os.path.join(folder, "saved_model", "1"))),
        "onnx": largest_difference(_onnx(os.path.join(folder, "classifier.onnx"))),
    }
    assert not any(sys.modules[name] for name in _FORBIDDEN)
    sys.stdout.write("\n" + json.dumps(differences) + "\n")


def _saved_model(path):
    import tensorflow as tf

    model = tf.saved_model.load(path)
    signature = model.signatures["serving_default"]

    def predict(images, model=model):  # the signature does not keep its model alive
        return signature(images=tf.constant(images))["probabilities"].numpy()

    return predict


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"images": images})[0]


if __name__ == "__main__":
    main(*sys.argv[1:])
