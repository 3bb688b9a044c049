"""`kmeta fit` with a head that keeps each picture: nearest ones, label sets, reports, int8."""

import json
import re

import pytest

from kmeta.cli.main import main
from kmeta.exporting import load_bundle

RIDGE = ["--backbone", "prototypical-omniglot", "--head", "ridge"]


@pytest.fixture(scope="module")
def bundle(pictures, tmp_path_factory):
    """Of drawings, by ridge regression."""
    folder = tmp_path_factory.mktemp("ridge") / "bundle"
    assert main(["fit", str(pictures), "--out", str(folder), "--thumbnails", *RIDGE]) == 0
    return folder


def test_predict_names_the_nearest_pictures(bundle, pictures, capsys):
    picture = pictures / "c3" / "0.png"
    assert main(["predict", str(bundle), str(picture), "--nearest", "2"]) == 0
    path, _, _, first, cosine, second, _ = capsys.readouterr().out.rstrip("\n").split("\t")
    assert (path, first, float(cosine)) == (str(picture), "c3/0.png", pytest.approx(1, abs=1e-3))
    assert second != first and second.endswith(".png")
    assert main(["predict", str(bundle), str(pictures), "--nearest", "1"]) == 0
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.endswith(",nearest 1") and row.startswith("c0/0.png,") and row.endswith(",c0/0.png")


def test_scores_say_how_likely_a_picture_is_of_a_known_class(bundle):
    rejection = load_bundle(bundle).manifest["rejection"]
    assert rejection["threshold"] == 0 and rejection["slope"] > 0  # without --calibrate


def test_a_bundle_has_thumbnails_where_they_are_wanted(bundle):
    found = load_bundle(bundle)
    assert len(found.thumbnails.copies) == len(found.pictures) == 80
    assert "thumbnails.npz" in found.manifest["files"]


def test_predict_names_all_classes_of_a_probability(bundle, pictures, capsys):
    picture = str(pictures / "c3" / "0.png")
    for least, names in (("0.000001", 10), ("0.999999", 0)):
        assert main(["predict", str(bundle), picture, "--least", least]) == 0
        assert len(capsys.readouterr().out.rstrip("\n").split("\t")) == 1 + 2 * names
    with pytest.raises(SystemExit):
        main(["predict", str(bundle), picture, "--least", "1"])


def test_a_bundle_has_a_report(bundle, pictures, tmp_path, capsys):
    page = tmp_path / "page.html"
    given = ["report", str(bundle), str(pictures), "--out", str(page)]
    assert main(given) == 0
    text = page.read_text(encoding="utf-8")
    for title in ("Classes", "Near-duplicates", "Left-out pictures", "Confusion", "Reliability"):
        assert f"<h2>{title}" in text
    assert "Plane of the classes" in text and "taken like these" in text
    assert main(given) == 2  # it is there
    assert "exists" in capsys.readouterr().err
    assert main(["report", str(bundle), "--out", str(page)]) == 2
    assert "give FOLDER" in capsys.readouterr().err


@pytest.mark.slow
def test_coverage_and_int8(pictures, tmp_path, capsys):
    bundle = tmp_path / "bundle"
    given = ["fit", str(pictures), "--out", str(bundle), "--quantize", "int8", "--coverage", "0.9"]
    assert main([*given, *RIDGE]) == 0
    found = capsys.readouterr().out
    assert re.search(r"about 90 % are of a class with a probability of 0\.\d+ or more", found)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["quantization"]["accuracy"]["int8"] > 0.5
    assert not (bundle / "saved_model").exists() and not (bundle / "thumbnails.npz").exists()
    assert len(manifest["pictures"]) == 80
    given = ["fit", str(pictures), "--out", str(tmp_path / "other"), "--coverage", "0.999"]
    assert main([*given, *RIDGE]) == 2
    assert "needs 999 left-out pictures" in capsys.readouterr().err
