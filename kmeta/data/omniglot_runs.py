"""The one-shot classification runs that come with Omniglot (Lake et al. 2015)."""

import re
from typing import NamedTuple

import numpy as np

from kmeta.checks import true_or_false, whole_number
from kmeta.data.files import FileTree, decode, find, places
from kmeta.data.omniglot import SIDE, shrink

RUNS = 20
WAY = 20


class OneShotRun(NamedTuple):
    """20 characters of one alphabet, each drawn once by one person and once by another.

    name: "run01" to "run20".
    training_x: uint8 `[20, size, size, 1]`, one drawing of each class 0 to 19.
    test_x: uint8 `[20, size, size, 1]`, the drawings to classify.
    test_y: int64 `[20]`, their classes.
    """

    name: str
    training_x: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def load_runs(data_dir=None, size=28, antialias=False, invert=False):
    """Return the 20 official runs as a list of `OneShotRun`, ink 255 on paper 0.

    Reads `all_runs.zip`, or the folder `all_runs` unpacked from it, in `data_dir`,
    `data_dir/omniglot`, `$KMETA_DATA/omniglot` or `$KMETA_DATA`. The alphabets are of the
    evaluation half, so that learners must be trained on "background" alone.

    size: side in pixels; None keeps 105.
    antialias, invert: as for `kmeta.data.omniglot.load`.

    Raises ValueError where an option is wrong or a run is incomplete, and FileNotFoundError where
    the file is missing.
    """
    size = None if size is None else whole_number("size", size)
    true_or_false("antialias", antialias)
    true_or_false("invert", invert)
    found = find(["all_runs"], data_dir, "omniglot")
    if not found:
        looked = [str(place) for place in places(data_dir, "omniglot")]
        raise FileNotFoundError(
            "No all_runs.zip of Omniglot, which is one-shot-classification/all_runs.zip of "
            f"github.com/brendenlake/omniglot. Received: data_dir={data_dir!r}, looked in {looked}"
        )
    path = found["all_runs"]
    with FileTree(path) as tree:
        entries = {"/".join(name.split("/")[-3:]): name for name in tree.names}
        labels = {"/".join(name.split("/")[-2:]): name for name in tree.names}

        def picture(name):
            if name not in entries:
                raise ValueError(
                    f"Run must have 20 training and 20 test drawings; no {name}: {path}"
                )
            image = decode(tree.read(entries[name]), f"{name} in {path}")
            if image.size != (SIDE, SIDE):
                raise ValueError(
                    f"Drawings must be {SIDE} x {SIDE}. Received: {image.size} of {name} in {path}"
                )
            pixels = shrink(image, size, antialias)[..., None]
            return pixels if invert else 255 - pixels

        runs = []
        for name in (f"run{number:02d}" for number in range(1, RUNS + 1)):
            file = labels.get(f"{name}/class_labels.txt")
            if file is None:
                raise ValueError(f"There must be 20 runs; no {name}/class_labels.txt in {path}")
            answers = _answers(tree.read(file).decode("utf-8", "replace"), name, path)
            numbers = range(1, WAY + 1)
            runs.append(
                OneShotRun(
                    name,
                    np.stack([picture(f"{name}/training/class{i:02d}.png") for i in numbers]),
                    np.stack([picture(f"{name}/test/item{i:02d}.png") for i in numbers]),
                    answers,
                )
            )
    return runs


def _answers(text, name, path):
    """Classes of the test items, as in "run01/test/item01.png run01/training/class08.png"."""
    lines = re.findall(
        rf"^{name}/test/item(\d\d)\.png\s+{name}/training/class(\d\d)\.png", text, re.M
    )
    answers = {int(item): int(label) - 1 for item, label in lines}
    wanted = list(range(1, WAY + 1))
    if sorted(answers) != wanted or sorted(answers.values()) != list(range(WAY)):
        raise ValueError(
            f"{name}/class_labels.txt must give each of 20 test drawings one of 20 training "
            f"drawings. Received: {len(lines)} lines of this kind in {path}"
        )
    return np.array([answers[item] for item in wanted])
