"""Read a bundle: NumPy and onnxruntime, no TensorFlow. `kmeta.edge` is the package for devices."""

import os
from typing import Any

from kmeta.edge import FewShotClassifier, bundle


def verify_bundle(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Check that every file of a bundle is as it was written, the SavedModel too.

    Args:
        directory: of a bundle.

    Returns:
        The manifest, a dict; see `kmeta.exporting.manifest`.

    Raises:
        ValueError: if `directory` is not a bundle, is of another format version, or if a file is
            missing or has changed; the file is named.

    Example:
        >>> images = np.array([[[0.0, 0.0]], [[1.0, 1.0]]])
        >>> learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
        >>> report = kmeta.export(learner.adapt(images, ["dark", "light"]), "bundle", images)
        >>> verify_bundle("bundle")["class_names"]
        ['dark', 'light']
        >>> report.path.joinpath("classifier.onnx").write_bytes(b"changed")
        7
        >>> verify_bundle("bundle")
        Traceback (most recent call last):
        ValueError: ...classifier.onnx...
    """
    return bundle.read(directory, whole=True)[0]


def load_bundle(directory: str | os.PathLike[str], threads: int | None = None) -> FewShotClassifier:
    """Load a bundle that `kmeta.export` wrote, or a device.

    Args:
        directory: of a bundle.
        threads: for one prediction. Default: onnxruntime's choice, one a core.

    Returns:
        A `kmeta.edge.FewShotClassifier`: `predict(images)`, `label(images)`, `add_class`.

    Raises:
        ValueError: if the bundle is damaged, of another format version, or says of its sample
            something else than when it was written.

    Example:
        >>> images = np.array([[[0.0, 0.0]], [[1.0, 1.0]]])
        >>> learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
        >>> report = kmeta.export(learner.adapt(images, ["dark", "light"]), "bundle", images)
        >>> load_bundle("bundle").label(0.1 * images + 0.8)[0]
        ['light', 'light']
    """
    return FewShotClassifier.load(directory, threads)
