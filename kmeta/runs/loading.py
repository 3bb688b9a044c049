"""Learners and classifiers back from disk."""

from pathlib import Path

import keras

import kmeta
from kmeta.runs.folder import Run, check_loadable


def load(path):
    """Return the learner of a finished run, or whatever learner or classifier a file holds.

    path: folder of a run, as `kmeta train` writes it, or a `.keras` file, as
        `learner.save("name.keras")` and `classifier.save("name.keras")` write it.

    Raises FileNotFoundError where there is nothing of the kind, and ValueError where the run has
    not finished or the file cannot be read.
    """
    path = Path(path)
    check_loadable(path)
    path = Run(path).learner_path if path.is_dir() else path
    kmeta.register_classes()
    try:
        return keras.models.load_model(path)
    except Exception as error:  # whatever a damaged or foreign file makes Keras raise
        raise ValueError(f"Cannot load {path}: {type(error).__name__}: {error}") from error
