"""Read a bundle: NumPy and onnxruntime, no TensorFlow."""

import json
import pathlib

import numpy as np

from kmeta.data.images import to_float
from kmeta.exporting import manifest as manifests


def verify_bundle(directory):
    """Check that every file of a bundle is as it was exported.

    Args:
        directory: of a bundle.

    Returns:
        The manifest, a dict; see `kmeta.exporting.manifest`.

    Raises:
        ValueError: if `directory` is not a bundle, is of another format version, or if a file is
            missing or has changed; the file is named.
    """
    directory = pathlib.Path(directory)
    manifest = manifests.read(directory)
    for name, expected in manifest["files"].items():
        path = directory / name
        if not path.is_file():
            raise ValueError(f"The bundle '{directory}' is damaged: {name} is missing")
        found = manifests.fingerprint(path)
        if found != expected:
            raise ValueError(
                f"The bundle '{directory}' is damaged: {name} has changed since its export "
                f"({found['size']} bytes, sha256 {found['sha256'][:12]}..., not "
                f"{expected['size']} bytes, {expected['sha256'][:12]}...)"
            )
    return manifest


def load_bundle(directory):
    """Load a bundle for prediction, after `verify_bundle`.

    Returns:
        `Bundle`.

    Raises:
        ValueError: as `verify_bundle`, and if the manifest's class names are not those in the
            ONNX file.
    """
    return Bundle(directory, verify_bundle(directory))


class Bundle:
    """A loaded bundle; `load_bundle` makes it.

    path: of its folder.
    manifest: dict, see `kmeta.exporting.manifest`.
    class_names: of the columns of `predict`.
    image_shape: of one image, `(height, width, channels)`.
    threshold: images with a score below it are unknown.
    """

    def __init__(self, directory, manifest):
        import onnxruntime

        self.path = pathlib.Path(directory)
        self.manifest = manifest
        self.class_names = manifest["class_names"]
        self.image_shape = tuple(manifest["input"]["shape"][1:])
        self.threshold = manifest["rejection"]["threshold"]
        self._state = {}
        own = "onnx" in manifest["signatures"].get("serving_default", {})  # no class was added
        signature, self._name = ("serving_default", "images") if own else ("classify", "queries")
        if not own:
            with np.load(self.path / manifest["state"]["file"]) as state:
                self._state = dict(state)
        file = manifest["signatures"][signature]["onnx"]
        self._session = onnxruntime.InferenceSession(
            self.path / file, providers=["CPUExecutionProvider"]
        )
        carried = self._session.get_modelmeta().custom_metadata_map.get("kmeta.class_names", "null")
        if own and json.loads(carried) != self.class_names:
            raise ValueError(
                f"The bundle '{self.path}' is damaged: the class names in manifest.json are not "
                "those in classifier.onnx"
            )

    def predict(self, images, batch_size=256):
        """Probabilities `[n, way]` float32 of images, by onnxruntime.

        Args:
            images: `[n, *image_shape]`, float in [0, 1] or uint8.
            batch_size: images run at once.

        Raises:
            ValueError: if images have another shape, or are not finite numbers.
        """
        return self.answers(images, batch_size)[0]

    def answers(self, images, batch_size=256):
        """`(probabilities [n, way], scores [n])`, float32; see `kmeta.Classifier`.

        Args, Raises: see `predict`.
        """
        images = to_float(images, "images")
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"Argument `images` must have the shape [n, *{self.image_shape}]. "
                f"Received: images.shape={images.shape}"
            )
        starts = range(0, len(images), batch_size)
        parts = [self._run(images[i : i + batch_size]) for i in starts]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _run(self, images):
        return self._session.run(["probabilities", "score"], {self._name: images, **self._state})

    def __repr__(self):
        return f"Bundle('{self.path}', class_names={self.class_names})"
