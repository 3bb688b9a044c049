"""Small data sets whose every picture can be told from its pixels, and the real ones."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kmeta.data.dataset import Dataset


@pytest.fixture(scope="session")
def real_data():
    """The folder with the real data sets; skips where a checkout has none."""
    root = os.environ.get("KMETA_DATA")
    if not root or not Path(root, "omniglot").is_dir():
        pytest.skip("no real data: set KMETA_DATA to a folder with omniglot/ and cifar100/")
    return Path(root)


@pytest.fixture
def no_shared_data(monkeypatch):
    """Without the folder of real data that the machine may have."""
    monkeypatch.delenv("KMETA_DATA", raising=False)


@pytest.fixture(scope="session")
def tiny():
    """12 classes of 8 different random pictures, 6 x 6 x 1."""
    images = np.random.default_rng(0).integers(0, 256, (96, 6, 6, 1), dtype=np.uint8)
    names = tuple(f"class{label:02d}" for label in range(12))
    return Dataset(images, np.arange(96) % 12, names, "tiny")


@pytest.fixture
def encode():
    """Function: the bytes of a picture file, from a PIL image or a uint8 array."""

    def encode(image, form="PNG", **options):
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    return encode


@pytest.fixture
def write_tree(tmp_path):
    """Function: write `{name: bytes}` as a folder, or as an archive where `name` ends in .zip."""

    def write_tree(files, name="tree"):
        path = tmp_path / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for entry, data in files.items():
                    archive.writestr(entry, data)
            return path
        for entry, data in files.items():
            file = path / entry
            file.parent.mkdir(parents=True, exist_ok=True)
            file.mkdir() if entry.endswith("/") else file.write_bytes(data)
        return path

    return write_tree
