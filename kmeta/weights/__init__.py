"""Trained learners that come with the package: a file for each, and `<name>.json` about it.

`photos` (photos.npz) looks at photographs: EfficientNet-Lite0, trained on ImageNet (Apache License
2.0, see NOTICE). The others were trained by recipes of this package on Omniglot, for drawings.

Keys of a .json file: `light_on_dark`, whether the pictures had light strokes; `sha256` and `size`
of the file; and of those that were trained here `recipe`, all settings of the training, with its
seed; `result`, what the run scored; `versions`. `benchmarks/pack_learner.py` writes these from a
run.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the learners, sorted.

    Example:
        >>> kmeta.weights.names()
        ['matching-omniglot', 'photos', 'prototypical-omniglot']
    """
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def about(name: str) -> dict[str, Any]:
    """What is known of a learner: the content of its .json file.

    Raises:
        ValueError: if there is none of that name.

    Example:
        >>> kmeta.weights.about("prototypical-omniglot")["recipe"]["learner"]
        'prototypical'
    """
    if name not in names():
        raise ValueError(
            f"Learners that come with the package are {', '.join(names())}. Received: {name!r}"
        )
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def path(name: str) -> Path:
    """Path of a learner's file, .keras or .npz, once it is known to be as it was packed.

    Raises:
        ValueError: if there is none of that name, or the file has changed.

    Example:
        >>> kmeta.weights.path("photos").name
        'photos.npz'
    """
    details = about(name)
    file = _FOLDER / details.get("file", f"{name}.keras")
    if hashlib.sha256(file.read_bytes()).hexdigest() != details["sha256"]:
        raise ValueError(f"{file} is damaged: install kmeta again")
    return file
