"""Read a bundle: NumPy and onnxruntime, no TensorFlow. `kmeta.edge` is the package for devices."""

from kmeta.edge import FewShotClassifier, bundle


def verify_bundle(directory):
    """Check that every file of a bundle is as it was written, the SavedModel too.

    Args:
        directory: of a bundle.

    Returns:
        The manifest, a dict; see `kmeta.exporting.manifest`.

    Raises:
        ValueError: if `directory` is not a bundle, is of another format version, or if a file is
            missing or has changed; the file is named.
    """
    return bundle.read(directory, whole=True)[0]


def load_bundle(directory, threads=None):
    """Load a bundle that `kmeta.export` wrote, or a device.

    Args:
        directory: of a bundle.
        threads: for one prediction. Default: onnxruntime's choice, one a core.

    Returns:
        A `kmeta.edge.FewShotClassifier`: `predict(images)`, `label(images)`, `add_class`.

    Raises:
        ValueError: if the bundle is damaged, of another format version, or says of its sample
            something else than when it was written.
    """
    return FewShotClassifier.load(directory, threads)
