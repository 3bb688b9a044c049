"""A folder for any static host: the page, a bundle, and onnxruntime-web, which computes there."""

import json
import pathlib
import tarfile

from kmeta_edge import FewShotClassifier, place

from kmeta_server import described, folders, page
from kmeta_server.protocol import BINARY_HEADER
from kmeta_server.settings import Settings
from kmeta_server.signatures import Signature

RUNTIME = "onnxruntime-web"  # of npm
_FILES = {  # of its folder `dist`, and what they are called here; hosts know the type of .js
    "ort.wasm.bundle.min.mjs": "ort.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
_LACKING = (
    "The page needs onnxruntime-web: `npm pack onnxruntime-web` fetches it into this folder. "
    "Give its place, that file or the folder of the package, by --runtime"
)


def write(bundle, directory, runtime=None):
    """Write the folder; it appears as a whole.

    Args:
        bundle: path of a bundle.
        directory: of the folder, new or empty.
        runtime: path of the npm package onnxruntime-web, a folder or the .tgz file of `npm pack`.
            Default: what of these is in the present folder.

    Raises:
        ValueError: if the bundle is damaged or classifies no pictures, `directory` is in use, or
            there is no onnxruntime-web.
    """
    directory, computing = check(directory, runtime)
    classifier, settings = FewShotClassifier.load(bundle), Settings()
    signature = Signature(classifier, "serving_default", settings)
    name, version = classifier.path.name, folders.identity(classifier.path)
    about = described.model(name, version, signature, classifier, settings)
    if not about["parameters"]["most_pictures"]:
        shape = classifier.image_shape
        raise ValueError(f"The bundle '{bundle}' classifies arrays of the shape {shape}")
    with place.building(directory) as folder:
        for path in page.FOLDER.iterdir():
            if path.name != "engine.js":
                target = "engine.js" if path.name == "onnx.js" else path.name
                (folder / target).write_bytes(path.read_bytes())
        classifier.save(folder / "bundle")
        tensors = {"state": None, "thumbnails": None}
        if classifier.fixed_way is None:
            known = described.state(name, version, classifier, settings)
            tensors["state"] = _beside(folder / "state.bin", *known)
        if classifier.thumbnails is not None:
            small = described.thumbnails(name, version, classifier)
            tensors["thumbnails"] = _beside(folder / "thumbnails.bin", *small)
        models = sorted(path.stem for path in (folder / "bundle").glob("*.onnx"))
        limits = described.limits(settings)
        content = {"model": about, "files": models, "limits": limits, **tensors}
        (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
        (folder / "onnxruntime").mkdir()
        for target, data in computing.items():
            (folder / "onnxruntime" / target).write_bytes(data)
    return directory


def _beside(path, content, headers):
    """Write the bytes of an answer with tensors; what stands before them."""
    length = int(headers[BINARY_HEADER])
    path.write_bytes(content[length:])
    return json.loads(content[:length])


def check(directory, runtime=None):
    """The absolute path of `directory`, and the bytes of what computes; arguments as for `write`.

    Raises:
        ValueError: as `write`.
    """
    directory = place.check(directory, overwrite=False)
    return directory, _runtime(_found() if runtime is None else pathlib.Path(runtime))


def _found():
    """The package in the present folder."""
    installed = pathlib.Path("node_modules") / RUNTIME
    packed = sorted(pathlib.Path().glob(f"{RUNTIME}-*.tgz"))
    if not installed.is_dir() and not packed:
        raise ValueError(_LACKING)
    return installed if installed.is_dir() else packed[-1]


def _runtime(path):
    """The bytes of the files of onnxruntime-web that the page loads, by their names here."""
    try:
        if path.is_dir():
            found = {name: (path / "dist" / name).read_bytes() for name in _FILES}
        else:
            with tarfile.open(path) as archive:
                members = {name: archive.extractfile(f"package/dist/{name}") for name in _FILES}
                found = {name: member.read() for name, member in members.items()}
    except (OSError, EOFError, KeyError, tarfile.TarError, AttributeError) as error:
        raise ValueError(f"No onnxruntime-web at '{path}' ({error}). {_LACKING}") from error
    return {_FILES[name]: data for name, data in found.items()}
