"""Trained learners that come with the package: `<name>.keras`, and `<name>.json` about it.

Keys of the latter: `recipe`, all settings of the training, with its seed; `result`, what the run
scored; `light_on_dark`, whether the pictures had light strokes; `sha256` and `size` of the file;
`versions`. `benchmarks/pack_learner.py` writes both from a run.
"""

import hashlib
import json
from pathlib import Path

_FOLDER = Path(__file__).parent


def names():
    """Names of the learners, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def about(name):
    """What is known of a learner: the content of its .json file.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in names():
        raise ValueError(
            f"Learners that come with the package are {', '.join(names())}. Received: {name!r}"
        )
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def path(name):
    """Path of a learner's .keras file, once it is known to be as it was packed.

    Raises:
        ValueError: if there is none of that name, or the file has changed.
    """
    expected = about(name)["sha256"]
    file = _FOLDER / f"{name}.keras"
    if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
        raise ValueError(f"{file} is damaged: install kmeta again")
    return file
