import sys

import numpy as np
import pytest

from kmeta.data import load

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two small sets of TensorFlow Datasets are kept, made without a network."""
    tfds = pytest.importorskip("tensorflow_datasets")
    here = tfds.core.as_path(__file__).parent

    class KmetaSmall(tfds.core.GeneratorBasedBuilder):
        """Twelve colour pictures of three classes."""

        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = here  # tf2onnx installs another package `tests`

        def _info(self):
            label = tfds.features.ClassLabel(names=["pear", "apple", "fig"])
            image = tfds.features.Image(shape=(None, None, 3))
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict({"image": image, "label": label})
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(0), "odd": self._generate_examples(1)}

        def _generate_examples(self, odd):
            for i, pixels in enumerate(PIXELS):
                yield i, {"image": pixels[: 5 - (i % 2) * odd], "label": i % 3}

    class KmetaBare(tfds.core.GeneratorBasedBuilder):
        """Numbers only."""

        VERSION = tfds.core.Version("1.0.0")
        pkg_dir_path = here  # tf2onnx installs another package `tests`

        def _info(self):
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict({"x": np.int64, "label": np.int64})
            )

        def _split_generators(self, dl_manager):
            return {"train": [(0, {"x": 1, "label": 2})]}

        def _generate_examples(self):
            raise NotImplementedError

    return tmp_path_factory.mktemp("tfds")


def test_pictures_keep_their_labels_and_classes_are_sorted(folder):
    data = load("tfds:kmeta_small", "train", folder)
    assert data.class_names == ("apple", "fig", "pear")
    assert data.counts.tolist() == [4, 4, 4]
    assert data.name == "tfds:kmeta_small-train"
    for label, first in enumerate((1, 2, 0)):
        found = {image.tobytes() for image in data.images[data.indices_of(label)]}
        assert found == {pixels.tobytes() for pixels in PIXELS[first::3]}


def test_slices_size_and_channels(folder):
    assert len(load("tfds:kmeta_small", "train[:50%]", folder)) == 6
    assert load("tfds:kmeta_small", "train", folder, size=(3, 4)).images.shape == (12, 3, 4, 3)
    assert load("tfds:kmeta_small", "train", folder, channels=1).images.shape == (12, 5, 6, 1)


def test_refuses(folder):
    with pytest.raises(ValueError, match="pass `size` to resize"):
        load("tfds:kmeta_small", "odd", folder)
    assert load("tfds:kmeta_small", "odd", folder, size=4).images.shape == (12, 4, 4, 3)
    with pytest.raises(ValueError, match=r"`split` must be one of \['odd', 'train'\].*'dev'"):
        load("tfds:kmeta_small", "dev", folder)
    with pytest.raises(
        ValueError, match="TensorFlow Datasets has no such set. Received: 'kmeta_none'"
    ):
        load("tfds:kmeta_none", "train", folder)
    with pytest.raises(ValueError, match=r'features "image" and "label".*\[\'label\', \'x\'\]'):
        load("tfds:kmeta_bare", "train", folder)
    with pytest.raises(ValueError, match=r"`channels` must be one of \[None, 1, 3\]"):
        load("tfds:kmeta_small", "train", folder, channels=2)


def test_without_tensorflow_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match="'mnist' needs tensorflow-datasets: pip install"):
        load("tfds:mnist", "train")
