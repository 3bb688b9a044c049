"""One file that continues a run, written in one move."""

import json
import math
import time
import zipfile

import keras
import numpy as np

from kmeta.checks import is_finite, whole_number
from kmeta.learners.finite import not_finite
from kmeta.placing import replaced
from kmeta.recipes.checking import mapping

PARTS = ("learner", "optimizer", "best")
UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, RecursionError),
    *(OverflowError, NotImplementedError, RuntimeError, zipfile.BadZipFile),
)


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, saves all that the rest of the run depends on; restores it.

    Saved are the learner's variables (with statistics and the state of random layers), the
    optimizer's (with the step on which its learning rate depends), the epoch, and the best weights
    so far by validation accuracy. The stock BackupAndRestore writes weights and epoch to two files,
    which may disagree after a crash, and knows no best weights.

    path: of the checkpoint.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.epochs_done = 0
        self.seconds = 0.0
        self.best_accuracy = None
        self.best_epoch = None
        self._best = []

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Note the best weights and save."""
        logs = logs or {}
        if not math.isfinite(logs.get("loss", 0.0)):
            raise FloatingPointError(
                f"The loss is {logs['loss']} in epoch {epoch + 1}. The checkpoint of the epoch "
                "before is kept; try a lower learning rate"
            )
        unsound = not_finite(self.model.variables + self.model.optimizer.variables)
        if unsound:
            raise FloatingPointError(
                f"{unsound} is not finite after epoch {epoch + 1}, though the loss is. The "
                "checkpoint of the epoch before is kept; try a lower learning rate"
            )
        self.epochs_done = epoch + 1
        self.seconds += time.monotonic() - self._started
        accuracy = logs.get("val_accuracy")
        if accuracy is not None and (self.best_accuracy is None or accuracy > self.best_accuracy):
            self.best_accuracy, self.best_epoch = float(accuracy), epoch + 1
            self._best = _values(self.model.variables)
        self._save()

    def restore(self, learner):
        """Set a built and compiled learner, and this callback, to the saved state, if there is one.

        Raises ValueError where the checkpoint is damaged or of another learner.
        """
        if not self.path.exists():
            return
        try:
            state, parts = _read(self.path)
        except UNREADABLE as error:
            raise ValueError(f"Cannot read the checkpoint {self.path}: {error!r}") from error
        wanted = {"learner": learner.variables, "optimizer": learner.optimizer.variables}
        wanted["best"] = learner.variables if parts["best"] else []
        for name, variables in wanted.items():  # all of them before any is assigned
            _check(variables, parts[name], self.path)
        _assign(learner.variables, parts["learner"], self.path)
        _assign(learner.optimizer.variables, parts["optimizer"], self.path)
        self._best = parts["best"]
        self.epochs_done, self.seconds = state["epochs_done"], state["seconds"]
        self.best_accuracy, self.best_epoch = state["best_accuracy"], state["best_epoch"]

    def use_best(self, learner):
        """Give the learner its best weights, where there has been a validation."""
        if self._best:
            _assign(learner.variables, self._best, self.path)

    def _save(self):
        parts = {
            "learner": _values(self.model.variables),
            "optimizer": _values(self.model.optimizer.variables),
            "best": self._best,
        }
        state = {
            "epochs_done": self.epochs_done,
            "seconds": self.seconds,
            "best_accuracy": self.best_accuracy,
            "best_epoch": self.best_epoch,
            "sizes": {name: len(values) for name, values in parts.items()},
        }
        arrays = {
            f"{name}_{i}": value for name, values in parts.items() for i, value in enumerate(values)
        }
        with replaced(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, state=json.dumps(state), **arrays)


def _values(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables, values, path):
    _check(variables, values, path)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _check(variables, values, path):
    """Raise ValueError unless the values are of the variables' shapes and kinds, and finite."""
    mine = [(tuple(variable.shape), _kind(variable.dtype)) for variable in variables]
    if mine != [(value.shape, _kind(value.dtype)) for value in values]:
        raise ValueError(f"The checkpoint {path} is of a learner with other weights")
    if not all(np.all(np.isfinite(value)) for value in values):
        raise ValueError(f"The checkpoint {path} holds weights that are not finite")


def _kind(dtype):
    """The kind of numbers: seeds have a sign on TensorFlow and none on JAX."""
    return np.dtype(dtype).kind.replace("u", "i")


def _read(path):
    """The state and the arrays of a checkpoint; raises one of `UNREADABLE` where it is damaged."""
    with zipfile.ZipFile(path) as archive:
        if sum(item.file_size for item in archive.infolist()) > path.stat().st_size:
            raise ValueError("it is compressed, as no checkpoint is")
    with np.load(path, allow_pickle=False) as saved:
        state = mapping("state", json.loads(str(saved["state"])))
        counts = [
            whole_number("sizes", mapping("sizes", state["sizes"])[name], least=0, most=len(saved))
            for name in PARTS
        ]
        parts = {
            name: [saved[f"{name}_{i}"] for i in range(count)]
            for name, count in zip(PARTS, counts, strict=True)
        }
    whole_number("epochs_done", state["epochs_done"])
    for name in ("seconds", "best_accuracy", "best_epoch"):
        if state[name] is not None and not is_finite(state[name]):
            raise ValueError(f"{name} is {state[name]!r}")
    if state["seconds"] is None:
        raise ValueError("seconds is None")
    return state, parts
