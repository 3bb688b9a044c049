"""CIFAR-FS: CIFAR-100 as a few-shot benchmark (Bertinetto et al. 2019)."""

import numpy as np

from kmeta.checks import one_of
from kmeta.data.dataset import Dataset
from kmeta.data.files import FileTree, decode, find, places
from kmeta.data.pixels import plain, stack, to_array
from kmeta.data.split_lists import CIFAR_FS

HALVES = ("train", "test")


def load(split, data_dir=None):
    """Return a split of CIFAR-FS: images uint8 `[n, 32, 32, 3]`.

    Reads the halves of CIFAR-100 (Krizhevsky 2009) as folders or zip archives `train[.zip]` and
    `test[.zip]` with pictures `<class>/*.png`, in `data_dir`, `data_dir/cifar100`,
    `$KMETA_DATA/cifar100` or `$KMETA_DATA`.

    Args:
        split: "train", "val" or "test": 64, 16 and 20 classes.
        data_dir: folder to look in before `$KMETA_DATA`.

    Returns:
        A `Dataset`, 600 images a class.

    Raises:
        FileNotFoundError: if neither half is there.
        ValueError: if a class is missing or an image is damaged.

    Deviations: where only one half is there it is used alone, and the name of the data set says
    so, as in "cifar-fs-train (test half only)": results are then not comparable with published
    ones, which join both.
    """
    one_of("split", split, sorted(CIFAR_FS))
    found = find(HALVES, data_dir, "cifar100")
    if not found:
        raise FileNotFoundError(
            "No folder and no zip archive of CIFAR-100 images named train or test. "
            f"Received: data_dir={data_dir!r}, looked in "
            f"{[str(place) for place in places(data_dir, 'cifar100')]}"
        )
    names = sorted(CIFAR_FS[split])
    images, labels, origins = [], [], []
    for path in found.values():
        with FileTree(path) as tree:
            for label, entries in enumerate(_entries(tree, names)):
                for entry in entries:
                    origin = f"{entry} in {path}"
                    images.append(to_array(plain(decode(tree.read(entry), origin)), channels=3))
                    labels.append(label)
                    origins.append(origin)
    half = "" if len(found) == 2 else f" ({next(iter(found))} half only)"
    return Dataset(
        stack(images, origins), np.array(labels), tuple(names), f"cifar-fs-{split}{half}"
    )


def _entries(tree, names):
    """Return the pictures of each class, and see that none is without."""
    entries = {name: [] for name in names}
    for entry in tree.names:
        parts = entry.split("/")
        if entry.endswith(".png") and len(parts) >= 2 and parts[-2] in entries:
            entries[parts[-2]].append(entry)
    for name, found in entries.items():
        if not found:
            raise ValueError(f"CIFAR-100 must hold images of class {name!r}. Received: {tree.path}")
    return entries.values()
