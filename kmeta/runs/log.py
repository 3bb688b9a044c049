"""The log of a run: a table that has each epoch once, and a line an epoch on plain output."""

import csv
import time

import keras

from kmeta.placing import replaced


class EpochLine(keras.callbacks.Callback):
    """Prints one line an epoch, for output that is no terminal.

    epochs: of the whole run.
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Print the epoch, its measures and its seconds."""
        measures = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        seconds = time.monotonic() - self._started
        print(f"epoch {epoch + 1}/{self.epochs}  {measures}  {seconds:.1f} s", flush=True)


def cut_log(path, epochs):
    """Leave only the lines of the first `epochs` epochs in a CSVLogger's file.

    A process that dies between logging an epoch and saving it leaves a line, or a part of one, for
    an epoch that will be trained again.
    """
    if not path.exists():
        return
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        rows = [row for row in rows if row and len(row) == len(header) and int(row[0]) < epochs]
    except (ValueError, csv.Error) as error:
        raise ValueError(f"Cannot read {path}: {error}") from error
    if not rows:
        path.unlink()
        return
    with replaced(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
