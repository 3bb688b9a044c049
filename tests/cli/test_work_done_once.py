"""Pictures are decoded once, and networks loaded once, however much a command does with them."""

import collections

import pytest
from PIL import Image

import kmeta
from kmeta.cli.main import main
from kmeta.few_shot import backbones, left_out


@pytest.fixture
def opened(monkeypatch):
    """How many pictures were decoded."""
    count, real = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda *given, **more: count.append(1) or real(*given, **more)
    )
    return count


@pytest.fixture
def loaded(monkeypatch):
    """How often each learner was loaded, by name."""
    counts = collections.Counter()

    def counted(real):
        def load(path):
            counts[str(path)] += 1
            return real(path)

        return load

    for name in ("load", "load_packaged"):
        monkeypatch.setattr(backbones, name, counted(getattr(backbones, name)))
    return counts


def test_fit_and_predict(pictures, tmp_path, opened, loaded):
    bundle, some = str(tmp_path / "bundle"), [str(pictures / f"c{i}" / "0.png") for i in range(3)]
    assert main(["fit", str(pictures), "--out", bundle, "--backbone", "prototypical-omniglot"]) == 0
    assert len(opened) == len(list(pictures.rglob("*.png"))) == 80
    assert loaded == {"prototypical-omniglot": 1}
    opened.clear()
    assert main(["predict", bundle, *some]) == 0
    assert len(opened) == 3
    opened.clear()
    assert main(["predict", bundle, str(pictures)]) == 0
    assert len(opened) == 80


def test_left_out_answers(pictures, tmp_path, monkeypatch, capsys):
    """Those by which the backbone was chosen are those by which sets of labels are judged."""
    asked, real = [], left_out.estimate
    monkeypatch.setattr(left_out, "estimate", lambda *given: asked.append(1) or real(*given))
    options = ["--backbone", "prototypical-omniglot", "--coverage", "0.9"]
    assert main(["fit", str(pictures), "--out", str(tmp_path / "bundle"), *options]) == 0
    assert "about 90 % are of a class with" in capsys.readouterr().out
    assert len(asked) == 2  # of the backbone and of raw pixels


def test_adapt(pictures, tmp_path, opened):
    learner = kmeta.weights.path("prototypical-omniglot")
    assert main(["adapt", str(learner), str(pictures), "--out", str(tmp_path / "a.keras")]) == 0
    assert len(opened) == 80
