"""`manifest.json` of a bundle: reading one, and refusing one that cannot be used."""

import json
import numbers

from .place import FORMAT

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


def read(directory):
    """The manifest in a folder, a `pathlib.Path`.

    Raises:
        ValueError: if there is none, it is damaged, or of another format version.
    """
    path = directory / "manifest.json"
    if not path.is_file():
        what = "has no manifest.json" if directory.is_dir() else "is not a folder"
        raise ValueError(f"Expected the folder of a bundle. Received: '{directory}', which {what}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is damaged: {error}") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if type(version) is not int or manifest.get("format") != FORMAT:
        raise ValueError(f"'{path}' is not the manifest of a kmeta bundle")
    if version != FORMAT_VERSION:
        what = "install a newer version" if version > FORMAT_VERSION else "export it again"
        raise ValueError(
            f"'{directory}' has bundle format {version}, and this version reads "
            f"{FORMAT_VERSION}: {what}"
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
    shape, outputs = manifest["input"].get("shape"), manifest["output"].get("shape")
    quantization, crop = manifest.get("quantization"), manifest["input"].get("crop")
    return {
        "files": all(map(_is_inside, files))
        and all(isinstance(x, dict) and "size" in x for x in files.values())
        and all(isinstance(x.get("sha256"), str) for x in files.values())
        and "sample.npz" in files,
        "input": isinstance(shape, list)
        and len(shape) > 1
        and all(type(side) is int and side > 0 for side in shape[1:])
        and (crop is None or (is_probability(crop) and crop > 0)),
        "output": isinstance(outputs, list) and len(outputs) > 1,
        "class_names": all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names) > 1,
        "rejection": is_probability(rejection.get("threshold"))
        and isinstance(rejection.get("unknown"), str),
        "signatures": all(isinstance(x, dict) for x in signatures.values())
        and all(_is_listed(file, files) for file in models.values())
        and ("serving_default" in models or ("classify" in models and state is not None)),
        "state": state is None
        or (isinstance(state, dict) and _is_listed(state.get("file"), files)),
        "quantization": quantization is None
        or (isinstance(quantization, dict) and _is_number(quantization.get("tolerance"))),
    }


def is_probability(value):
    """Whether a value is a number from 0 to 1."""
    return _is_number(value) and value <= 1


def _is_number(value):
    known = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return known and 0 <= value < float("inf")


def _is_inside(name):
    """Whether a name is that of a file in the bundle: no absolute path, and no `..`."""
    return not ({"", ".", ".."} & set(name.split("/")) or set("\\:\0") & set(name))


def _is_listed(name, files):
    return isinstance(name, str) and name in files
