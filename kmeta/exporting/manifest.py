"""`manifest.json`: what a bundle is, what it was made of and by what it can be checked.

Keys:
    format, format_version: `"kmeta.bundle"` and the version of this list, 3. Version 2 had all
        weights in every ONNX file.
    learner: `class_name` as registered with Keras, and its `config`, null where it has none.
    bn_mode: the statistics of batch normalisation in the classifier.
    input: `name`, `dtype`, `shape` (first the batch), `scaling`, in words, and `crop`: null where
        pictures are resized as a whole, or the share of their shorter side that is taken, in the
        middle (see `kmeta.edge.pixels.fitted`).
    output: `name`, `dtype`, `shape`.
    class_names: of the columns of the output.
    rejection: `temperature`, which divides the logits; `slope` and `offset`, by which the score of
        an image is `max(probabilities) * sigmoid(slope * max(logits) + offset)`; `threshold` and
        `unknown`, the label of an image whose score is below it.
    signatures: of the SavedModel, by name: `inputs` and `outputs`, each `dtype` and `shape` by
        name; sizes that may vary have names, the same where they are equal. Which of them ONNX
        has too follows from its files, see `kmeta.exporting.endpoints`.
    state: null where classes cannot be added. Else `file`, with the tensors that `classify` takes
        beside queries, and `rows`: `"items"` if these are support items, with `labels`, or
        `"classes"` (see `MetricLearner.portable_state`).
    parity: largest differences from Keras on the sample, `saved_model` and `onnx`; the same for
        each of the `signatures`; and the `tolerance` they were held to. In an int8 bundle these
        are of the float files that it was made of.
    pictures: names of the support pictures' files, in the order of the rows of `state`, or null.
        Where there is a file thumbnails.npz, small copies of them, see `kmeta.edge.thumbnails`.
    quantization: null for float files, else the fields of `kmeta.exporting.Quantization`.
    versions: of the software that wrote the bundle.
    files: by path from the bundle's folder, sorted: `sha256` and `size` in bytes.
"""

import dataclasses
import importlib
import json
import platform

from kmeta.edge import bundle
from kmeta.edge.images import SCALING
from kmeta.edge.manifest import FORMAT_VERSION
from kmeta.edge.place import FORMAT
from kmeta.edge.scoring import UNKNOWN
from kmeta.exporting import parity


def essentials(classifier, of_these_classes):
    """Texts that an ONNX file carries as `metadata_props`, for use without a manifest.

    of_these_classes: whether the file answers for the classifier's classes, whose names it then
        carries, and not for those it is given.
    """
    names = {"kmeta.class_names": json.dumps(classifier.class_names, ensure_ascii=False)}
    return {
        "kmeta.format_version": str(FORMAT_VERSION),
        **(names if of_these_classes else {}),
        "kmeta.unknown": UNKNOWN,
        "kmeta.learner": _learner(classifier.learner)["class_name"],
        "kmeta.bn_mode": classifier.bn_mode,
        "kmeta.input_shape": json.dumps(list(classifier.image_shape)),
        "kmeta.scaling": SCALING,
        "kmeta.version": _versions()["kmeta"],
    }


def write(folder, classifier, signatures, differences, tolerance, quantization=None, pictures=None):
    """Write the manifest of all files in `folder`."""
    class_names = classifier.class_names
    state = None
    if "classify" in signatures:
        rows = "items" if "labels" in signatures["classify"]["inputs"] else "classes"
        state = {"file": "state.npz", "rows": rows}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "learner": _learner(classifier.learner),
        "bn_mode": classifier.bn_mode,
        "input": {
            "name": "images",
            "dtype": "float32",
            "shape": ["batch", *classifier.image_shape],
            "scaling": SCALING,
            "crop": classifier.crop,
        },
        "output": {
            "name": "probabilities",
            "dtype": "float32",
            "shape": ["batch", len(class_names)],
        },
        "class_names": class_names,
        "rejection": {**classifier.settings, "unknown": UNKNOWN},
        "signatures": signatures,
        "state": state,
        "parity": {
            **{kind: parity.largest(found) for kind, found in differences.items()},
            "signatures": differences,
            "tolerance": tolerance,
        },
        "pictures": None if pictures is None else list(pictures),
        "quantization": None if quantization is None else dataclasses.asdict(quantization),
        "versions": _versions(),
    }
    bundle.write_manifest(folder, manifest)


def _learner(learner):
    import keras

    try:
        config = json.loads(json.dumps(learner.get_config()))
    except (NotImplementedError, TypeError, ValueError):
        config = None  # a network without get_config
    return {"class_name": keras.saving.get_registered_name(type(learner)), "config": config}


def _versions():
    from kmeta.version import __version__

    names = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")
    return {
        "kmeta": __version__,
        "python": platform.python_version(),
        **{name: importlib.import_module(name).__version__ for name in names},
    }
