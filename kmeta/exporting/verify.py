"""Compare the models of a bundle with its sample.

`verify.py FOLDER READER [ENTRIES OF sys.path ...]`, run by path in a fresh process; `READER` is the
folder of the package for devices. Needs NumPy, TensorFlow and onnxruntime; kmeta and Keras cannot
be imported here, so that a bundle that passes needs neither. The last line of the output is
`{"saved_model": {signature: d}, "onnx": {signature: d}}`, the largest differences over batches of
one and of all images, relative to the largest number of an output where that is above 1; NaN where
an output is not a number or has another shape.
"""

import importlib.util
import json
import os
import pathlib
import sys

_FORBIDDEN = ("kmeta", "keras")
_BATCHED = ("images", "queries", "image_bytes", "raw_images")  # each row has its own answer


def main(folder, reader, *search_path):
    """Write the largest differences of the models in `folder` to the output."""
    sys.path.extend(entry for entry in search_path if entry not in sys.path)
    for name in _FORBIDDEN:
        sys.modules[name] = None  # importing it fails from here on
    _import_reader(reader)

    import numpy as np
    from kmeta_edge import arrays, sample

    folder = pathlib.Path(folder)
    stored = arrays.read((folder / "sample.npz").read_bytes())
    state = folder / "state.npz"
    given_by_name = sample.inputs(stored, arrays.read(state.read_bytes()) if state.exists() else {})

    def largest_difference(signature, inputs, predict):
        values = sample.outputs(stored, signature)
        batched = [name for name in inputs if name in _BATCHED]
        differences = []
        for batch in (slice(0, 1), slice(None)) if batched else (slice(None),):
            given = {n: given_by_name[n][batch if n in batched else ...] for n in inputs}
            for name, output in predict(given).items():
                if name in values:
                    expected = values[name][batch]
                    scale = max(1.0, np.abs(expected).max())
                    fits = output.shape == expected.shape
                    differences.append(np.abs(output - expected).max() / scale if fits else np.nan)
        return float(np.max(differences))

    functions = _saved_model(folder)
    inputs = {name: names for name, (names, _) in functions.items()}
    differences = {
        kind: {name: largest_difference(name, *function) for name, function in found.items()}
        for kind, found in (("saved_model", functions), ("onnx", _onnx(folder, inputs)))
    }
    assert not any(sys.modules[name] for name in _FORBIDDEN)
    sys.stdout.write("\n" + json.dumps(differences) + "\n")


def _import_reader(path):
    """`kmeta_edge` from its folder, wherever that is."""
    spec = importlib.util.spec_from_file_location("kmeta_edge", os.path.join(path, "__init__.py"))
    assert spec is not None
    assert spec.loader is not None
    sys.modules["kmeta_edge"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _saved_model(folder):
    """Inputs and function of each signature of the SavedModel, none where there is none."""
    if not (folder / "saved_model").exists():
        return {}
    import tensorflow as tf

    model = tf.saved_model.load(str(folder / "saved_model" / "1"))

    def function(name):
        def predict(given):
            outputs = model.signatures[name](**{n: tf.constant(x) for n, x in given.items()})
            return {n: x.numpy() for n, x in outputs.items()}

        return list(model.signatures[name].structured_input_signature[1]), predict

    return {name: function(name) for name in model.signatures}


def _onnx(folder, inputs):
    """Inputs and function of each signature that the ONNX files have."""
    from kmeta_edge.models import Models

    models = Models({path.stem: path.read_bytes() for path in folder.glob("*.onnx")})

    def function(name):
        return inputs[name], lambda given: models.run(name, given)

    return {name: function(name) for name in models.names}


if __name__ == "__main__":
    main(*sys.argv[1:])
