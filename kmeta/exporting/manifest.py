"""`manifest.json`: what a bundle is, what it was made of and by what it can be checked.

Keys:
    format, format_version: `"kmeta.bundle"` and the version of this list, 2. Version 1 had neither
        `state` nor `rejection`, and of `signatures` the names only.
    learner: `class_name` as registered with Keras, and its `config`, null where it has none.
    bn_mode: the statistics of batch normalisation in the classifier.
    input: `name`, `dtype`, `shape` (null is the batch) and `scaling`, in words.
    output: `name`, `dtype`, `shape`.
    class_names: of the columns of the output.
    rejection: `temperature`, which divides the logits; `slope` and `offset`, by which the score of
        an image is `max(probabilities) * sigmoid(slope * max(logits) + offset)`; `threshold` and
        `unknown`, the label of an image whose score is below it.
    signatures: of the SavedModel, by name: `inputs` and `outputs`, each `dtype` and `shape` by
        name, and `onnx`, the file that has it, or `onnx_lacks`, the operations because of which
        there is none.
    state: null where classes cannot be added. Else `file`, with the tensors that `classify` takes
        beside queries, and `rows`: `"items"` if these are support items, with `labels`, or
        `"classes"` (see `kmeta.exporting.portable`).
    parity: largest differences from Keras on the sample, `saved_model` and `onnx`; the same for
        each of the `signatures`; and the `tolerance` they were held to. In an int8 bundle these
        are of the float files that it was made of.
    quantization: null for float files, else the fields of `kmeta.exporting.Quantization`.
    versions: of the software that wrote the bundle.
    files: by path from the bundle's folder, sorted: `sha256` and `size` in bytes.
"""

import dataclasses
import hashlib
import importlib
import json
import pathlib
import platform

from kmeta.data.images import SCALING
from kmeta.exporting import parity
from kmeta.exporting.place import FORMAT

UNKNOWN = "unknown"  # `kmeta.learners.classifier.UNKNOWN`, without loading Keras
FORMAT_VERSION = 2
_KEYS = {
    "input": dict,
    "output": dict,
    "class_names": list,
    "rejection": dict,
    "signatures": dict,
    "parity": dict,
    "files": dict,
}


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


def write(folder, classifier, signatures, differences, tolerance, quantization=None):
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
            "shape": [None, *classifier.image_shape],
            "scaling": SCALING,
        },
        "output": {
            "name": "probabilities",
            "dtype": "float32",
            "shape": [None, len(class_names)],
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
        "quantization": None if quantization is None else dataclasses.asdict(quantization),
        "versions": _versions(),
        "files": {
            name: fingerprint(folder / name)
            for name in sorted(
                path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
            )
        },
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def read(folder):
    """The manifest of a bundle as a dict.

    Raises:
        ValueError: if there is none, it is damaged, or of another format version.
    """
    folder = pathlib.Path(folder)
    path = folder / "manifest.json"
    if not path.is_file():
        what = "has no manifest.json" if folder.is_dir() else "is not a folder"
        raise ValueError(
            "Argument `directory` must be a bundle that kmeta.export wrote. "
            f"Received: '{folder}', which {what}"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is damaged: {error}") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if type(version) is not int or manifest.get("format") != FORMAT:
        raise ValueError(f"'{path}' is not the manifest of a kmeta bundle")
    if version != FORMAT_VERSION:
        what = "install a newer kmeta" if version > FORMAT_VERSION else "export it again"
        raise ValueError(
            f"'{folder}' has bundle format {version}, and this kmeta reads {FORMAT_VERSION}: {what}"
        )
    lacking = [key for key, kind in _KEYS.items() if not isinstance(manifest.get(key), kind)]
    if lacking:
        raise ValueError(f"'{path}' is damaged: it lacks {', '.join(lacking)}")
    wrong = [key for key, sound in _sound(manifest).items() if not sound]
    if wrong:
        raise ValueError(
            f"'{path}' is damaged: {', '.join(wrong)} cannot be used; every model, state and "
            "sample must be one of `files`, inside the bundle"
        )
    return manifest


def _sound(manifest):
    """Of each entry, whether it can be used; all are of the types in `_KEYS`."""
    names, rejection, files = (manifest[key] for key in ("class_names", "rejection", "files"))
    state, signatures = manifest.get("state"), manifest["signatures"]
    models = {n: x["onnx"] for n, x in signatures.items() if isinstance(x, dict) and "onnx" in x}
    shape, threshold = manifest["input"].get("shape"), rejection.get("threshold")
    return {
        "files": all(map(_is_inside, files))
        and all(isinstance(x, dict) and "size" in x for x in files.values())
        and all(isinstance(x.get("sha256"), str) for x in files.values())
        and "sample.npz" in files,
        "input": isinstance(shape, list)
        and len(shape) > 1
        and all(type(side) is int and side > 0 for side in shape[1:]),
        "class_names": all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names) > 1,
        "rejection": type(threshold) in (int, float)
        and 0 <= threshold <= 1
        and isinstance(rejection.get("unknown"), str),
        "signatures": all(isinstance(x, dict) for x in signatures.values())
        and all(_is_listed(file, files) for file in models.values())
        and ("serving_default" in models or ("classify" in models and state is not None)),
        "state": state is None
        or (isinstance(state, dict) and _is_listed(state.get("file"), files)),
    }


def _is_inside(name):
    """Whether a name is that of a file in the bundle: no absolute path, and no `..`."""
    return not ({"", ".", ".."} & set(name.split("/")) or set("\\:\0") & set(name))


def _is_listed(name, files):
    return isinstance(name, str) and name in files


def fingerprint(path):
    """`{"sha256": hexadecimal, "size": bytes}` of a file."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "size": path.stat().st_size}


def _learner(learner):
    import keras

    try:
        config = json.loads(json.dumps(learner.get_config()))
    except (NotImplementedError, TypeError, ValueError):
        config = None  # a network without get_config
    return {"class_name": keras.saving.get_registered_name(type(learner)), "config": config}


def _versions():
    from kmeta import __version__

    names = ("tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")
    return {
        "kmeta": __version__,
        "python": platform.python_version(),
        **{name: importlib.import_module(name).__version__ for name in names},
    }
