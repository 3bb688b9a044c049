import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from kmeta.data import load
from kmeta.data.split_lists import CIFAR_FS


@pytest.fixture
def halves(encode, no_shared_data):
    """Files of both halves, two pictures a class in train and one in test."""
    names = sorted(name for split in CIFAR_FS.values() for name in split)
    files = {}
    for label, name in enumerate(names):
        for half, shades in (("train", (0, 1)), ("test", (2,))):
            for shade in shades:
                pixels = np.full((32, 32, 3), (label, shade, 7), np.uint8)
                files[f"{half}/{name}/{name}_{shade}.png"] = encode(pixels)
    return {
        half: {k: v for k, v in files.items() if k.startswith(half)} for half in ("train", "test")
    }


def test_lists_are_those_published(real_data):
    for split, names in CIFAR_FS.items():
        file = real_data / "splits" / "cifar100" / "cifar-fs" / f"{split}.json"
        assert sorted(names) == sorted(name for _, name in json.loads(file.read_text()))


def test_both_halves_are_joined(write_tree, halves):
    write_tree(halves["train"], "train.zip")
    folder = write_tree(halves["test"], "test.zip").parent
    for split, classes in (("train", 64), ("val", 16), ("test", 20)):
        data = load("cifar-fs", split, folder)
        assert data.class_names == tuple(sorted(CIFAR_FS[split]))
        assert len(data.class_names) == classes
        assert data.counts.tolist() == [3] * classes
        assert data.name == f"cifar-fs-{split}"
    everything = sorted(name for names in CIFAR_FS.values() for name in names)
    whale = data.images[data.indices_of(data.class_names.index("whale"))]
    assert whale.shape == (3, 32, 32, 3)
    assert sorted(whale[:, 9, 9].tolist()) == [[everything.index("whale"), i, 7] for i in range(3)]


@pytest.mark.parametrize("half", ["train", "test"])
def test_one_half_alone_is_named(write_tree, halves, half):
    files = {name.removeprefix(f"{half}/"): data for name, data in halves[half].items()}
    folder = write_tree(files, f"cifar100/{half}").parent.parent
    data = load("cifar-fs", "val", folder)
    assert data.name == f"cifar-fs-val ({half} half only)"
    assert data.counts.tolist() == [2 if half == "train" else 1] * 16


def test_nothing_there(tmp_path, no_shared_data):
    with pytest.raises(FileNotFoundError, match=r"CIFAR-100 images named train or test.*cifar100"):
        load("cifar-fs", "train", tmp_path)


def test_a_missing_class_is_named(write_tree, halves):
    files = {name: data for name, data in halves["test"].items() if "/otter/" not in name}
    folder = write_tree(files, "test.zip").parent
    with pytest.raises(ValueError, match=r"must hold images of class 'otter'.*test\.zip"):
        load("cifar-fs", "val", folder)
    load("cifar-fs", "test", folder)


def test_a_damaged_picture_is_named(write_tree, halves):
    files = {**halves["test"], "test/otter/otter_2.png": b"no picture"}
    with pytest.raises(ValueError, match=r"Cannot read the image test/otter/otter_2\.png in .*zip"):
        load("cifar-fs", "val", write_tree(files, "test.zip").parent)


def test_unknown_split():
    with pytest.raises(ValueError, match=r"`split` must be one of \['test', 'train'.*'dev'"):
        load("cifar-fs", "dev")


def test_the_real_pictures(real_data):
    data = load("cifar-fs", "val", real_data)
    assert data.class_names == tuple(sorted(CIFAR_FS["val"]))
    assert set(data.counts) <= {100, 500, 600}
    with zipfile.ZipFile(real_data / "cifar100" / "test.zip") as archive:
        entry = max(name for name in archive.namelist() if "/otter/" in name)
        pixels = np.asarray(Image.open(io.BytesIO(archive.read(entry))))
    otters = data.images[data.indices_of(data.class_names.index("otter"))]
    assert (otters == pixels).all(axis=(1, 2, 3)).sum() == 1
