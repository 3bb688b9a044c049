"""Learners and classifiers back from disk."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kmeta import learners, weights
from kmeta.layers.efficientnet_lite import EfficientNetLite0
from kmeta.learners.bounds import bounded
from kmeta.learners.finite import not_finite
from kmeta.learners.saved_files import check_keras_file
from kmeta.ops.views import MOST
from kmeta.runs.folder import Run, check_loadable

SPARE = 2**24  # bytes of weights that a file may ask for and not have


def load(path: str | os.PathLike[str]) -> Any:
    """Return a learner by name, that of a finished run, or the learner or classifier in a file.

    path: name of a learner that comes with the package, such as "photos" (see
        `kmeta.weights.names()`), unless there is a file of that name; folder of a run, as
        `kmeta train` writes it; or a `.keras` file, as `learner.save("name.keras")` and
        `classifier.save("name.keras")` write it.

    Nothing is made of a file but what `kmeta.learners.restoring` allows, in whatever mode Keras is.

    Raises FileNotFoundError where there is nothing of the kind, and ValueError where the run has
    not finished, or the file cannot be read or holds what is not allowed.

    >>> learner = load("prototypical-omniglot")
    >>> type(learner).__name__, learner.image_shape
    ('PrototypicalNetwork', (28, 28, 1))
    """
    if path in weights.names() and not Path(path).exists():
        return load_packaged(path)
    path = Path(path)
    check_loadable(path)
    path = Run(path).learner_path if path.is_dir() else path
    learners.register_classes()
    try:
        held = check_keras_file(path)
    except ValueError as error:
        raise ValueError(f"Cannot load {path}: {error}") from error
    try:
        # a classifier has those of its learner twice, and halves count as wholes
        with bounded(4 * held + SPARE):
            loaded = keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # whatever a damaged or foreign file makes Keras raise
        raise ValueError(f"Cannot load {path}: {type(error).__name__}: {error}") from error
    unsound = not_finite(loaded.variables)
    if unsound:
        raise ValueError(f"Cannot load {path}: {unsound} is not finite")
    return loaded


def load_packaged(name: str) -> Any:
    """Return a learner that comes with the package, whatever the present folder holds.

    >>> load_packaged("photos").image_shape
    (224, 224, 3)
    """
    path = weights.path(name)
    return _photos(path) if path.suffix == ".npz" else load(path)


def _photos(path):
    """`R2D2` on EfficientNet-Lite0 with the weights of an .npz file, which is not to be trained."""
    network = EfficientNetLite0()
    learner = learners.R2D2(network, views=MOST)
    learner.build((224, 224, 3))
    with np.load(path) as arrays:
        network.load_arrays(dict(arrays))
    return learner
