"""Small copies of the pictures that were learned from: which, how large, and what refuses them."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

import kmeta
from kmeta.edge import FewShotClassifier
from kmeta.edge import thumbnails as edge
from kmeta.few_shot import thumbnails
from kmeta.few_shot.thumbnails import Copies, small

pytestmark = pytest.mark.filterwarnings("ignore:DO NOT RELY")
SIZE = 16


def learner():
    made = kmeta.PrototypicalNetwork(keras.layers.Flatten())
    made.build((SIZE, SIZE, 3))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of three pictures, wide and high, each with one colour at the left."""
    folder = tmp_path_factory.mktemp("thumbnails") / "mine"
    for number in range(6):
        pixels = np.full((200, 300, 3), 128, "uint8")
        pixels[:, :150] = np.random.default_rng(number).integers(0, 256, 3)
        path = folder / "ab"[number // 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels if number % 2 else pixels.transpose(1, 0, 2)).save(path)
    return folder


def opened(copy):
    image = Image.open(io.BytesIO(copy))
    assert image.format == "WEBP"
    return np.asarray(image.convert("RGB"), "float32")


def test_a_bundle_has_them_where_they_are_wanted(folder, tmp_path):
    mine = kmeta.FewShotClassifier.from_directory(folder, learner(), thumbnails=True)
    mine.export(tmp_path / "bundle")
    bundle = FewShotClassifier.load(tmp_path / "bundle")
    assert "thumbnails.npz" in bundle.manifest["files"]
    files = sorted(folder.rglob("*.png"))
    assert bundle.thumbnails.rows.tolist() == list(range(6))
    for file, copy in zip(files, bundle.thumbnails.copies, strict=True):
        whole = Image.open(file)
        assert opened(copy).shape[:2] == (64, 96) if whole.width > whole.height else (96, 64)
        expected = np.asarray(whole.resize(opened(copy).shape[1::-1]), "float32")
        assert np.abs(opened(copy) - expected).mean() < 4
    # nearest by what the network sees, here pixels
    images = np.stack([kmeta.data.pictures.picture(file, (SIZE, SIZE, 3)) for file in files])
    x = images.reshape(6, -1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosines = x @ x.T
    for row, found in zip(cosines, bundle.nearest(images, 2), strict=True):
        best = np.argsort(-row)[:2]
        assert [name for name, _ in found] == [f"{'ab'[i // 3]}/{i}.png" for i in best]
        np.testing.assert_allclose([cosine for _, cosine in found], row[best], atol=1e-5)
    bundle.save(tmp_path / "again")
    again = FewShotClassifier.load(tmp_path / "again")
    assert again.thumbnails.copies == bundle.thumbnails.copies
    assert again.nearest(images, 2) == bundle.nearest(images, 2)
    again.add_class("c", images[:1])
    assert again.thumbnails is None  # rows are no longer those of the pictures
    again.save(tmp_path / "grown")
    assert FewShotClassifier.load(tmp_path / "grown").thumbnails is None


def test_there_are_none_unless_they_are_wanted(folder, tmp_path):
    made = learner()
    plain = kmeta.FewShotClassifier.from_directory(folder, made)
    wanted = kmeta.FewShotClassifier.from_directory(folder, made, thumbnails=True)
    assert plain._copies is None and len(wanted._copies.files) == 6
    wanted.add_class("c", [np.zeros((SIZE, SIZE, 3), "uint8")])
    assert wanted._copies is None and wanted.files is None
    with pytest.raises(ValueError, match="`thumbnails` must be True or False"):
        kmeta.FewShotClassifier.from_directory(folder, made, thumbnails="yes")


def test_learners_that_cannot_compare_pictures(folder):
    layers = [keras.layers.Flatten(), keras.layers.Dense(2)]
    model = kmeta.MAML(keras.Sequential([keras.Input((SIZE, SIZE, 3)), *layers]))
    model.build((SIZE, SIZE, 3))
    with pytest.raises(ValueError, match=r"Thumbnails \(--thumbnails\) need .* a MAML"):
        kmeta.FewShotClassifier.from_directory(folder, model, thumbnails=True)


def test_copies_are_bounded(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (500, 400, 3), "uint8")
    copy = small(Image.fromarray(noise))
    assert len(copy) <= edge.LARGEST and opened(copy).shape[0] <= edge.SIDE
    assert opened(small(Image.new("L", (5000, 2)))).shape[:2] == (1, 96)
    assert opened(small(Image.new("L", (30, 20)))).shape[:2] == (20, 30)  # none is enlarged
    monkeypatch.setattr(thumbnails, "MOST", 3)
    copies = Copies(7)
    for _ in range(7):
        copies.add(Image.new("L", (30, 20)))
    assert copies.rows == [0, 3, 6] and len(copies.files) == 3
    found = copies.of(np.arange(14.0).reshape(7, 2), np.arange(7))
    assert found.labels.tolist() == [0, 3, 6] and found.features[1].tolist() == [6, 7]


def arrays(**changed):
    copies = [small(Image.new("L", (30, 20), shade)) for shade in (0, 200)]
    given = edge.Thumbnails(
        np.array([0, 2]), copies, np.ones((2, 3), "float32"), np.zeros(2, "int64")
    )
    return {**given.arrays(), **changed}


def test_what_was_written_is_read():
    found = edge.read(arrays(), None, way=1, count=3)
    assert found.rows.tolist() == [0, 2] and found.labels.tolist() == [0, 0]
    assert [opened(copy).mean().round() for copy in found.copies] == [0, 200]
    state = {"labels": np.zeros(3, "int64"), "embedded": np.ones((3, 3))}
    found = edge.read(arrays(), state, way=1)
    assert found.features is None and found.labels is None


def wide(copies):
    """The first copy said to have 97 pixels across."""
    changed = copies.copy()
    changed[26] = 97
    return changed


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"rows": np.array([0, 3])}, "that there are not"),
        ({"rows": np.array([2, 0])}, "that there are not"),
        ({"rows": np.array([0.0, 2.0])}, "not from 1 to 1000"),
        ({"ends": np.array([9])}, "not from 1 to 1000"),
        ({"ends": np.array([0, arrays()["ends"][1]])}, "1 to 4096 bytes"),
        ({"ends": arrays()["ends"] + 1}, "1 to 4096 bytes"),
        ({"copies": arrays()["copies"][1:]}, "1 to 4096 bytes"),
        ({"copies": 0 * arrays()["copies"]}, "no WebP files"),
        ({"copies": wide(arrays()["copies"])}, "no WebP files of at most 96"),
        ({"labels": np.array([0, 1])}, "no features"),
        ({"features": np.full((2, 3), np.nan, "float32")}, "no features"),
        ({"features": np.ones((3, 3), "float32")}, "no features"),
    ],
)
def test_damaged_ones_are_refused(changed, text):
    with pytest.raises(ValueError, match=text):
        edge.read(arrays(**changed), None, way=1, count=3)


def test_lacking_arrays_are_refused():
    for name in ("rows", "ends", "copies", "features"):
        given = {key: values for key, values in arrays().items() if key != name}
        with pytest.raises(ValueError, match=f"no array '{name}'|no features"):
            edge.read(given, None, way=1, count=3)
