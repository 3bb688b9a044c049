"""`manifest.json` of a bundle: reading one, and refusing one that cannot be used.

`kmeta.exporting.manifest` says what stands in it.
"""

import json

from .names import is_name
from .place import FORMAT
from .scoring import is_number, is_probability

FORMAT_VERSION = 3
DTYPES = ("float32", "int64", "uint8", "string")
_LARGEST = 16 << 20  # bytes
_SIDES = ("inputs", "outputs")  # of a signature
_GROWN = {"embed.onnx", "adapt.onnx", "classify.onnx"}  # of a bundle whose classes have changed
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
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        manifest = json.loads(data.decode("utf-8"))
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
            f"'{path}' is damaged: {', '.join(wrong)} cannot be used; names, outputs and "
            "files must go together, and all files be inside the bundle"
        )
    return manifest


def _sound(manifest):
    """Of each entry, whether it can be used; all are of the types in `_KEYS`."""
    names, rejection, files = (manifest[key] for key in ("class_names", "rejection", "files"))
    state, signatures = manifest.get("state"), manifest["signatures"]
    shape, outputs = manifest["input"].get("shape"), manifest["output"].get("shape")
    sizes = [x["size"] for x in files.values() if isinstance(x, dict) and "size" in x]
    quantization, crop = manifest.get("quantization"), manifest["input"].get("crop")
    pictures = manifest.get("pictures")
    return {
        "files": all(map(_is_inside, files))
        and len(sizes) == len(files)
        and all(type(size) is int and size >= 0 for size in sizes)
        and all(isinstance(x.get("sha256"), str) for x in files.values())
        and "sample.npz" in files,
        "input": isinstance(shape, list)
        and len(shape) > 1
        and all(type(side) is int and side > 0 for side in shape[1:])
        and (crop is None or (is_probability(crop) and crop > 0)),
        "output": isinstance(outputs, list) and len(outputs) == 2,
        "class_names": all(map(is_name, names))
        and len(set(names)) == len(names) > 1
        and (not isinstance(outputs, list) or outputs[-1:] == [len(names)]),
        "rejection": is_probability(rejection.get("threshold"))
        and is_name(rejection.get("unknown"))
        and (rejection["threshold"] == 0 or rejection["unknown"] not in names),
        "signatures": "serving_default" in signatures
        and ("serving_raw" in signatures or "resize.onnx" not in files)
        and all(isinstance(x, dict) for x in signatures.values())
        and all(map(_are_tensors, (x.get(k) for x in signatures.values() for k in _SIDES)))
        and ("classifier.onnx" in files or (state is not None and set(files) >= _GROWN)),
        "state": state is None
        or (
            isinstance(state, dict)
            and state.get("file") == "state.npz"
            and {"state.npz", "adapt.onnx", "classify.onnx"} <= set(files)
        ),
        "parity": is_number(manifest["parity"].get("tolerance")),
        "pictures": pictures is None
        or (isinstance(pictures, list) and all(isinstance(name, str) for name in pictures)),
        "quantization": quantization is None
        or (isinstance(quantization, dict) and is_number(quantization.get("tolerance"))),
    }


def _is_inside(name):
    """Whether a name is that of a file in the bundle: no absolute path, and no `..`."""
    return not ({"", ".", ".."} & set(name.split("/")) or set("\\:\0") & set(name))


def _are_tensors(described):
    """Whether a value says of tensors by name what they are like; free sizes have names."""
    return isinstance(described, dict) and all(
        isinstance(tensor, dict)
        and tensor.get("dtype") in DTYPES
        and isinstance(tensor.get("shape"), list)
        and all(isinstance(x, str) or (type(x) is int and x > 0) for x in tensor["shape"])
        for tensor in described.values()
    )
