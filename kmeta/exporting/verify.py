"""Compare the models of a bundle with its sample: `verify.py FOLDER [ENTRIES OF sys.path ...]`.

Run by path in a fresh process. Needs NumPy, TensorFlow and onnxruntime; kmeta and Keras cannot be
imported here, so that a bundle that passes needs neither. The last line of the output is
`{"saved_model": {signature: d}, "onnx": {signature: d}}`, the largest differences over batches of
one and of all images, relative to the largest number of an output where that is above 1; NaN where
an output is not a number or has another shape.
"""

import json
import os
import sys

_FORBIDDEN = ("kmeta", "keras")
_BATCHED = ("images", "queries", "image_bytes", "raw_images")  # each row has its own answer


def main(folder, *search_path):
    """Write the largest differences of the models in `folder` to the output."""
    sys.path.extend(entry for entry in search_path if entry not in sys.path)
    for name in _FORBIDDEN:
        sys.modules[name] = None  # importing it fails from here on

    import numpy as np

    with np.load(os.path.join(folder, "sample.npz")) as file:
        sample = dict(file)

    def largest_difference(signature, predict, inputs):
        prefix = "" if signature == "serving_default" else f"{signature}/"
        values = {n.removeprefix(prefix): x for n, x in sample.items() if n.startswith(prefix)}
        batched = [name for name in inputs if name in _BATCHED]
        differences = []
        for batch in (slice(0, 1), slice(None)) if batched else (slice(None),):
            given = {name: values[name][batch if name in batched else ...] for name in inputs}
            for name, output in predict(given).items():
                if name in values:
                    expected = values[name][batch]
                    scale = max(1.0, np.abs(expected).max())
                    fits = output.shape == expected.shape
                    differences.append(np.abs(output - expected).max() / scale if fits else np.nan)
        return float(np.max(differences))

    differences = {
        kind: {name: largest_difference(name, *model) for name, model in models(folder)}
        for kind, models in (("saved_model", _saved_model), ("onnx", _onnx))
    }
    assert not any(sys.modules[name] for name in _FORBIDDEN)
    sys.stdout.write("\n" + json.dumps(differences) + "\n")


def _saved_model(folder):
    """Name, function and inputs of each signature of the SavedModel."""
    import tensorflow as tf

    model = tf.saved_model.load(os.path.join(folder, "saved_model", "1"))
    for name, signature in model.signatures.items():

        def predict(given, signature=signature):
            outputs = signature(**{n: tf.constant(x) for n, x in given.items()})
            return {n: x.numpy() for n, x in outputs.items()}

        yield name, (predict, list(signature.structured_input_signature[1]))


def _onnx(folder):
    """Name, function and inputs of each ONNX file."""
    import onnxruntime

    for file in sorted(os.listdir(folder)):
        stem, extension = os.path.splitext(file)
        if extension == ".onnx":
            session = onnxruntime.InferenceSession(
                os.path.join(folder, file), providers=["CPUExecutionProvider"]
            )

            def predict(given, session=session):
                names = [output.name for output in session.get_outputs()]
                return dict(zip(names, session.run(names, given), strict=True))

            name = "serving_default" if stem == "classifier" else stem
            yield name, (predict, [given.name for given in session.get_inputs()])


if __name__ == "__main__":
    main(*sys.argv[1:])
