"""Does a bundle say what Keras says? Asked in a process that has never heard of kmeta."""

import json
import os
import pathlib
import subprocess
import sys

from kmeta.edge import place

_SCRIPT = pathlib.Path(__file__).with_name("verify.py")


def measure(folder, tolerance):
    """Run the models of a bundle on its sample in a fresh process (`verify.py`).

    Args:
        folder: with `saved_model/1`, `*.onnx`, `sample.npz` and `state.npz`.
        tolerance: largest difference allowed.

    Returns:
        `{"saved_model": {signature: d}, "onnx": {signature: d}}`, largest differences from the
        sample's outputs.

    Raises:
        ValueError: if a difference is above the tolerance, or not a number.
        RuntimeError: if the process fails.
    """
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    reader = pathlib.Path(place.__file__).parent
    command = [sys.executable, "-I", _SCRIPT, folder, reader, *sys.path]
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    if process.returncode != 0:
        raise RuntimeError(
            "The exported models could not be run in a fresh process, so no bundle was written "
            f"(exit status {process.returncode}):\n{process.stderr[-2000:]}"
        )
    differences = json.loads(process.stdout.splitlines()[-1])
    worst = {
        f"{kind} {name}": d
        for kind, found in differences.items()
        for name, d in found.items()
        if not d <= tolerance
    }
    if worst:
        raise ValueError(
            "The exported models must agree with Keras within the tolerance; no bundle was "
            f"written. Received: tolerance={tolerance:g}, largest differences "
            + ", ".join(f"{name} {d:.3g}" for name, d in worst.items())
            + ". Rounding grows with the size of the logits; pass a larger `tolerance` if it is "
            "that"
        )
    return differences


def largest(differences):
    """The largest of `{signature: d}`."""
    return max(differences.values())
