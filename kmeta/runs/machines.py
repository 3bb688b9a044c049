"""What a training or a score was made with: versions of libraries, and the machine."""

import importlib.metadata
import os
import platform
from pathlib import Path

import keras

from kmeta.ops import differentiation
from kmeta.version import __version__


def machine():
    """Return `{name: text}` of the versions and the hardware of this process."""
    return {**versions(), "hardware": hardware()}


def versions():
    """Return the versions that a result depends on."""
    names = ("keras", keras.backend.backend(), "numpy")
    found = {"kmeta": __version__, "python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # TensorFlow has other distributions too
            found[name] = __import__(name).__version__
    return found


def hardware():
    """Return the graphics cards of this machine, or else its processor, in words."""
    cards = differentiation.gpus()
    if cards:
        return ", ".join(cards)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    return f"CPU, {os.cpu_count()} x {processor or platform.machine()}"
