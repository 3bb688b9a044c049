import hashlib
import io
import json
import sys
import types
import zipfile

import numpy as np
import pytest
from PIL import Image

from kmeta.data import load, omniglot
from kmeta.data.omniglot import characters

COUNTS = {
    "train": 1028,
    "val": 172,
    "trainval": 1200,
    "test": 423,
    "background": 964,
    "evaluation": 659,
    "random-train": 1100,
    "random-val": 100,
    "random-trainval": 1200,
    "random-test": 423,
}


@pytest.mark.parametrize("split", COUNTS)
def test_how_many_characters(split):
    names = characters(split)
    assert len(names) == COUNTS[split]
    assert names == sorted(set(names))


def test_splits_are_disjoint_and_complete():
    everything = {*characters("background"), *characters("evaluation")}
    assert len(everything) == 1623
    for prefix in ("", "random-"):
        parts = [set(characters(prefix + part)) for part in ("train", "val", "test")]
        assert set.union(*parts) == everything
        assert set(characters(prefix + "trainval")) == parts[0] | parts[1]


def test_random_splits_follow_the_seed_and_the_others_do_not():
    assert characters("random-test", 1) == characters("random-test", 1)
    assert len(set(characters("random-test", 1)) & set(characters("random-test", 2))) < 200
    assert characters("test", 1) == characters("test", 2)


def test_random_split_does_not_change_between_releases():
    digest = hashlib.sha256("\n".join(characters("random-test", 0)).encode()).hexdigest()
    assert digest[:16] == "a6ba956929d83234"


def test_vinyals_lists_are_those_published(real_data):
    for split in ("train", "val", "test"):
        file = real_data / "splits" / "omniglot" / f"{split}.json"
        listed = [
            f"{alphabet}/{character}"
            for half in json.loads(file.read_text()).values()
            for alphabet, names in half.items()
            for character in names
        ]
        assert characters(split) == sorted(listed)


def test_the_real_drawings(real_data):
    data = load("omniglot", "val", real_data / "omniglot")
    assert data.images.shape == (3440, 28, 28, 1)
    assert data.images.dtype == np.uint8
    assert np.unique(data.images).tolist() == [0, 255]
    assert (data.counts == 20).all()
    assert data.class_names == tuple(characters("val"))
    assert data.name == "omniglot-val"
    assert 0.05 < (data.images == 255).mean() < 0.12, "ink is 1, paper 0"
    entry = "images_background/Hebrew/character03/"
    with zipfile.ZipFile(real_data / "omniglot" / "images_background.zip") as archive:
        files = sorted(name for name in archive.namelist() if name.startswith(entry + "0"))
        drawings = [Image.open(archive.open(name)) for name in files]
        drawings = np.stack([255 * ~np.asarray(d.resize((28, 28))) for d in drawings])
    found = data.indices_of(data.class_names.index("Hebrew/character03"))
    np.testing.assert_array_equal(data.images[found, ..., 0], drawings)


SMALL = {
    "images_background": {"Greek": 7, "Hebrew": 5},
    "images_evaluation": {"Angelic": 2, "Kannada": 3},
}


@pytest.fixture
def small(monkeypatch):
    """An Omniglot of four small alphabets."""
    monkeypatch.delenv("KMETA_DATA", raising=False)
    monkeypatch.setattr(omniglot, "HALVES", SMALL)
    monkeypatch.setattr(omniglot, "RANDOM", {"val": (3, 9)})


@pytest.fixture(scope="module")
def drawings():
    """Made-up drawings of every character: `{entry: PNG}`."""
    rng = np.random.default_rng(0)
    files = {}
    for half, alphabets in SMALL.items():
        for alphabet, count in alphabets.items():
            for number, drawer in np.ndindex(count, 20):
                file = io.BytesIO()
                Image.fromarray(rng.random((105, 105)) > 0.1).save(file, "PNG")
                entry = f"{half}/{alphabet}/character{number + 1:02d}/0001_{drawer + 1:02d}.png"
                files[entry] = file.getvalue()
    return files


@pytest.fixture
def half_of(drawings):
    """Function: the made-up drawings of one half."""
    return lambda half: {k: v for k, v in drawings.items() if k.startswith(half)}


@pytest.fixture
def made_up(write_tree, half_of):
    """Folder with archives of the made-up drawings."""
    for half in SMALL:
        path = write_tree(half_of(half), f"{half}.zip")
    return path.parent


@pytest.mark.usefixtures("small")
class TestMadeUp:
    def pixels(self, drawings, size=28):
        """The first drawing of Hebrew/character03, ink 255."""
        entry = "images_background/Hebrew/character03/0001_01.png"
        paper = np.asarray(Image.open(io.BytesIO(drawings[entry])))
        at = ((np.arange(size) + 0.5) * 105 / size).astype(int)
        return np.where(paper, 0, 255)[at[:, None], at]

    def hebrew(self, data):
        return data.images[data.indices_of(data.class_names.index("Hebrew/character03"))[0], ..., 0]

    def test_the_nearest_pixel_is_taken(self, made_up, drawings):
        data = load("omniglot", "val", made_up)
        np.testing.assert_array_equal(self.hebrew(data), self.pixels(drawings))

    def test_size(self, made_up, drawings):
        data = load("omniglot", "val", made_up, size=20)
        np.testing.assert_array_equal(self.hebrew(data), self.pixels(drawings, 20))
        data = load("omniglot", "val", made_up, size=None)
        np.testing.assert_array_equal(self.hebrew(data), self.pixels(drawings, 105))

    def test_antialias(self, made_up, drawings):
        data = load("omniglot", "val", made_up, antialias=True)
        assert len(np.unique(data.images)) > 50
        whole = Image.fromarray((255 - self.pixels(drawings, 105)).astype(np.uint8))
        smooth = 255 - np.asarray(whole.resize((28, 28), Image.Resampling.LANCZOS))
        np.testing.assert_array_equal(self.hebrew(data), smooth)

    def test_both_ways_in_turn(self, made_up):
        nearest, smooth, mixed = (
            load("omniglot", "val", made_up, antialias=how).images for how in (False, True, "mixed")
        )
        np.testing.assert_array_equal(mixed[::2], nearest[::2])
        np.testing.assert_array_equal(mixed[1::2], smooth[1::2])
        assert (nearest != smooth).any(axis=(1, 2, 3)).all()

    def test_invert(self, made_up):
        ink, paper = (load("omniglot", "val", made_up, invert=i).images for i in (False, True))
        np.testing.assert_array_equal(paper, 255 - ink)
        assert ink.mean() < 128

    def test_seed_and_only_the_chosen_characters(self, made_up):
        drawn = {load("omniglot", "random-val", made_up, seed=s).class_names for s in range(4)}
        assert len(drawn) == 4
        data = load("omniglot", "random-val", made_up, seed=3)
        assert data.class_names == tuple(characters("random-val", 3))
        assert len(data) == 120

    def test_places(self, made_up, tmp_path, monkeypatch):
        inner = tmp_path / "outer" / "omniglot"
        inner.mkdir(parents=True)
        (inner / "images_background.zip").symlink_to(made_up / "images_background.zip")
        expected = load("omniglot", "val", made_up).sha256
        assert load("omniglot", "val", inner.parent).sha256 == expected
        monkeypatch.setenv("KMETA_DATA", str(inner.parent))
        assert load("omniglot", "val").sha256 == expected
        monkeypatch.setenv("KMETA_DATA", str(inner))
        assert load("omniglot", "val").sha256 == expected

    def test_unpacked_folders(self, made_up, write_tree, half_of):
        folder = write_tree(half_of("images_background"), "unpacked")
        assert load("omniglot", "val", folder).sha256 == load("omniglot", "val", made_up).sha256

    def test_a_missing_character_is_named(self, write_tree, half_of):
        files = {
            k: v for k, v in half_of("images_background").items() if "Greek/character07" not in k
        }
        path = write_tree(files, "images_background.zip")
        with pytest.raises(
            ValueError, match="must hold 12 characters. Received: 11 .*Greek/character07"
        ):
            load("omniglot", "val", path.parent)

    def test_a_missing_drawing_is_named(self, write_tree, half_of):
        files = half_of("images_background")
        del files["images_background/Greek/character07/0001_09.png"]
        path = write_tree(files, "images_background.zip")
        with pytest.raises(ValueError, match="20 drawings. Received: 19 of Greek/character07"):
            load("omniglot", "val", path.parent)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"no png", "Cannot read the image images_background/Hebrew/character01/0001_01.png"),
            (None, r"Drawings must be 105 x 105. Received: \(9, 9\) of .*Hebrew/character01"),
        ],
    )
    def test_a_damaged_drawing_is_named(self, write_tree, half_of, encode, data, message):
        data = data or encode(np.zeros((9, 9), np.uint8))
        files = half_of("images_background")
        files["images_background/Hebrew/character01/0001_01.png"] = data
        path = write_tree(files, "images_background.zip")
        with pytest.raises(ValueError, match=message):
            load("omniglot", "val", path.parent)

    def test_without_files_and_download(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match="No images_background and .*looked in .*omniglot"
        ):
            load("omniglot", "train", tmp_path, download=False)
        with pytest.raises(FileNotFoundError, match="No such folder: data_dir='.*missing'"):
            load("omniglot", "train", tmp_path / "missing")


@pytest.mark.usefixtures("small")
class TestDownload:
    @pytest.fixture
    def tfds(self, monkeypatch, drawings):
        """A stand-in for tensorflow_datasets, with the made-up drawings of two alphabets."""
        alphabets = sorted({*SMALL["images_background"], *SMALL["images_evaluation"]})
        items = {"train": [], "test": []}
        for entry, data in drawings.items():
            half, alphabet, character, _ = entry.split("/")
            if alphabet in ("Hebrew", "Kannada"):
                grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
                items["train" if "background" in half else "test"].append(
                    {
                        "image": np.repeat(grey[..., None], 3, axis=2),
                        "alphabet": alphabets.index(alphabet),
                        "alphabet_char_id": int(character[-2:]) - 1,
                    }
                )
        builder = types.SimpleNamespace(
            info=types.SimpleNamespace(
                features={"alphabet": types.SimpleNamespace(names=alphabets)}, splits=items
            ),
            is_prepared=lambda: True,
            download_and_prepare=lambda: None,
            as_dataset=lambda split: items[split],
        )
        asked = []
        module = types.ModuleType("tensorflow_datasets")
        module.builder = lambda name, data_dir: asked.append((name, data_dir)) or builder
        module.as_numpy = iter
        module.asked, module.chosen = asked, builder
        missing = types.SimpleNamespace(DatasetNotFoundError=KeyError)
        module.core = types.SimpleNamespace(registered=missing)
        monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
        return module

    def test_the_same_pictures_come_out(self, tfds, made_up, tmp_path):
        (empty := tmp_path / "empty").mkdir()
        data = load("omniglot", "val", empty)
        assert tfds.asked == [("omniglot", str(empty))]
        expected = load("omniglot", "val", made_up)
        hebrew = [name for name in expected.class_names if name.startswith("Hebrew")]
        assert data.sha256 == expected.subset(hebrew).sha256
        test = load("omniglot", "test", empty)
        assert {name.split("/")[0] for name in test.class_names} == {"Kannada"}

    def test_files_at_hand_are_preferred(self, tfds, made_up):
        load("omniglot", "val", made_up)
        assert tfds.asked == []

    def test_a_failure_says_what_to_do(self, tfds, tmp_path):
        def fail():
            raise OSError("no route")

        tfds.chosen.download_and_prepare = fail
        with pytest.raises(
            FileNotFoundError, match="looked in .* Downloading them failed: OSError: no"
        ):
            load("omniglot", "val", tmp_path)

    def test_a_machine_that_is_offline_fails_at_once(self, tfds, tmp_path, monkeypatch):
        def unknown(*_):
            raise OSError("name or service not known")

        tfds.chosen.is_prepared = lambda: False
        tfds.chosen.download_and_prepare = lambda: pytest.fail("must not try")
        monkeypatch.setattr("socket.getaddrinfo", unknown)
        monkeypatch.setattr("urllib.request.getproxies", dict)
        with pytest.raises(
            FileNotFoundError, match="ConnectionError: Downloading 'omniglot' needs a"
        ):
            load("omniglot", "val", tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, r"`split` must be one of \['train', .*split='dev'"),
        ({"size": 0}, "`size` must be a positive integer"),
        ({"size": (28, 28)}, "`size` must be a positive integer"),
        ({"antialias": "both"}, "`antialias` must be one of"),
        ({"invert": "no"}, "`invert` must be True or False"),
        ({"seed": -1}, "`seed` must be an integer from 0"),
        ({"download": None}, "`download` must be True or False"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        omniglot.load(**{"split": "val", **options})
