"""The page on a classifier of own pictures."""

import keras
import numpy as np
import pytest
from html_reader import Reader
from PIL import Image

import kmeta
from kmeta.report.fit import write_fit_report

pytestmark = pytest.mark.filterwarnings("ignore:DO NOT RELY", "ignore:The same picture")


@pytest.fixture
def folder(tmp_path):
    """Two classes that look alike, and two pictures of one that are nearly the same."""
    rng = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 256, (20, 30)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "mine" / name / f"{i}.png")
            if (name, i) == ("ant", 0):
                pixels[0, 0] ^= 255
                Image.fromarray(pixels).save(tmp_path / "mine" / name / "again.png")
    return tmp_path / "mine"


def test_it_shows_pictures_errors_and_what_is_nearest(folder, tmp_path):
    learner = kmeta.PrototypicalNetwork(keras.layers.Flatten(), distance="cosine")
    learner.build((16, 16, 1))
    found = kmeta.FewShotClassifier.from_directory(folder, learner)
    estimate = found.tried[found.backbone]
    page = Reader(write_fit_report(found, folder, tmp_path / "page.html").read_text("utf-8"))
    text = "\n".join(page.text)
    shown = [a["alt"] for name, a in page.elements if name == "img"]
    assert set(found.files) <= set(shown)
    assert "ant (4)" in text and "bee (3)" in text and str(estimate) in text
    assert "not for another place, light or camera" in text
    assert [[found.files[i] for i in group] for group in found.near_duplicates()] == [
        ["ant/0.png", "ant/again.png"]
    ]
    wrong = np.flatnonzero(estimate.answers != estimate.labels)
    assert f"{len(wrong)} of {len(estimate.labels)} left-out pictures were told wrong" in text
    number = int(estimate.images[wrong[0]])
    other, cosine = found.nearest(number, 1)[0]
    assert f"{found.files[other]} ({cosine:.2f})" in text
    assert not page.open
    found.add_examples("bee", folder / "bee" / "0.png")
    with pytest.raises(ValueError, match="made by from_directory, and not changed since"):
        write_fit_report(found, folder, tmp_path / "page.html")
