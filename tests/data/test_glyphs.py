import os
import subprocess
import sys

import numpy as np
import pytest

from kmeta.data import Episodes, glyphs, load
from kmeta.data.glyphs import normal, rasterise


@pytest.fixture(scope="module")
def val():
    return load("glyphs", "val")


def test_form(val):
    assert val.images.shape == (1200, 28, 28, 1)
    assert np.unique(val.images).tolist() == [0, 255]
    assert val.counts.tolist() == [20] * 60
    assert val.class_names[:2] == ("script21/character01", "script21/character02")
    assert val.name == "glyphs-val"


def test_splits_share_no_script(val):
    names = {split: load("glyphs", split, drawers=1).class_names for split in ("train", "test")}
    scripts = [{name.split("/")[0] for name in part} for part in (*names.values(), val.class_names)]
    assert [len(part) for part in scripts] == [20, 7, 3]
    assert len(set.union(*scripts)) == 30


def test_the_same_pixels_in_every_process(val):
    code = "from kmeta.data import load; print(load('glyphs', 'val').sha256)"
    env = {**os.environ, "PYTHONHASHSEED": "77"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == val.sha256
    assert val.sha256[:16] == "6f7db187a8cbde18"


def test_another_processors_last_digits_move_no_pixel(val, monkeypatch):
    """Functions that NumPy computes by vectors differ in their last digits between processors."""
    rng = np.random.default_rng(0)

    class Other:
        def __getattr__(self, name):
            function = getattr(np, name)
            if name not in ("exp", "cos", "sin", "radians", "einsum"):
                return function

            def nudged(*arguments):
                values = np.asarray(function(*arguments))
                return values * (1 + np.finfo(float).eps * rng.integers(-2, 3, values.shape))

            return nudged

    monkeypatch.setattr(glyphs, "np", Other())
    np.testing.assert_array_equal(load("glyphs", "val").images, val.images)


def test_seed_drawers_and_size(val):
    assert load("glyphs", "val", seed=1).sha256 != val.sha256
    few = load("glyphs", "val", drawers=3)
    assert few.counts.tolist() == [3] * 60
    whole = load("glyphs", "val", size=None).images
    assert whole.shape == (1200, 105, 105, 1)
    at = ((np.arange(28) + 0.5) * 105 / 28).astype(int)
    np.testing.assert_array_equal(whole[:, at[:, None], at], val.images)
    assert load("glyphs", "val", size=14).images.shape == (1200, 14, 14, 1)


def test_no_drawing_is_like_another(val):
    assert len({image.tobytes() for image in val.images}) > 1190
    assert (val.images > 0).mean(axis=(1, 2, 3)).min() > 0.01


def test_drawings_of_a_character_are_closer_than_those_of_others(val):
    ink = val.images[..., 0] / 255
    blurred = sum(np.roll(ink, (dy, dx), (1, 2)) for dy in (-2, -1, 0, 1, 2) for dx in range(-2, 3))
    blurred -= blurred.mean(axis=(1, 2), keepdims=True)
    features = (blurred / np.linalg.norm(blurred, axis=(1, 2), keepdims=True)).reshape(60, 20, -1)
    means = features.mean(axis=1)
    same = np.einsum("kdp,kp->kd", features, means).mean()
    other = np.einsum("kdp,jp->kjd", features, means)[~np.eye(60, dtype=bool)].mean()
    assert same - other > 0.15  # 0.16 in Omniglot


def test_it_looks_like_omniglot(val, real_data):
    omniglot = load("omniglot", "val", real_data)
    assert statistics(val.images) == pytest.approx(statistics(omniglot.images), rel=0.25)


def statistics(images):
    """Ink, height, width and how solid the ink is: means."""
    ink = images[..., 0] > 0
    rows, columns = ink.any(axis=2), ink.any(axis=1)
    height, width = (
        (28 - axis.argmax(axis=1) - axis[:, ::-1].argmax(axis=1)).mean() for axis in (rows, columns)
    )
    solid = (ink[:, 1:] & ink[:, :-1]).sum() / ink.sum()
    return [ink.mean(), height, width, solid]


def test_the_pen():
    stroke = np.array([[[20.0, 30.0], [60.0, 30.0]]])
    sheet = rasterise([stroke])[0]
    assert sheet.shape == (105, 105)
    rows, columns = np.nonzero(sheet)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (28, 31, 18, 61)
    assert sheet.sum() == 4 * 44


def test_noise():
    noise = normal(np.random.default_rng(0), 40000)
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert np.abs(noise).max() < 3


def test_episodes(val):
    (support, _), _ = Episodes(val, way=20, rotations=True)[0]
    assert support.x.shape == (1, 20, 28, 28, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "all"}, r"`split` must be one of \['train', 'val', 'test'\].*'all'"),
        ({"size": 0}, "`size` must be a positive integer"),
        ({"drawers": 0}, "`drawers` must be a positive integer"),
        ({"seed": -1}, "`seed` must be an integer from 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        load("glyphs", **{"split": "val", **options})
