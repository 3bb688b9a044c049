"""`kmeta fit`: a folder in, a bundle out."""

import json
import re
import shutil

import pytest
from PIL import Image

from kmeta.cli.main import main

DRAWINGS = ["--backbone", "prototypical-omniglot"]


def test_fit_and_predict(pictures, tmp_path, capsys):
    """With the learners that come with the package, without a network."""
    bundle = tmp_path / "bundle"
    given = ["fit", str(pictures), "--out", str(bundle), "--calibrate", "--test", str(pictures)]
    assert main([*given, *DRAWINGS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Learned 10 classes (pictures of each): c0 (8), c1 (8), ")
    assert re.fullmatch(
        r"Tried, left-out pictures told right: prototypical-omniglot \d+ %, raw pixels \d+ %",
        lines[1],
    )
    assert lines[2] == "Backbone: prototypical-omniglot"
    assert any(line.startswith("Accuracy with each picture left out in turn: ") for line in lines)
    assert any(line.startswith("Temperature ") for line in lines)
    assert any(line.startswith("Accuracy on 80 labelled pictures that were not") for line in lines)
    assert lines[-1].startswith(f"Bundle {bundle}: ")
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["class_names"] == [f"c{number}" for number in range(10)]
    assert manifest["rejection"]["threshold"] > 0
    picture = pictures / "c3" / "0.png"
    assert main(["predict", str(bundle), str(picture), "--top", "2"]) == 0
    found = capsys.readouterr().out.rstrip("\n").split("\t")
    assert (found[0], len(found)) == (str(picture), 5)
    assert main(["predict", str(bundle), str(pictures)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("file,label,score,c0,c1,") and len(rows) == 81
    name, label, score, *shares = rows[1].split(",")
    assert name == "c0/0.png" and label in ("unknown", *manifest["class_names"])
    assert sum(map(float, shares)) == pytest.approx(1, abs=0.01) and 0 <= float(score) <= 1
    assert main(["evaluate", str(bundle), str(pictures)]) == 0
    found = capsys.readouterr().out
    assert found.splitlines()[0] == next(x for x in lines if x.startswith("Accuracy on 80 "))
    assert main(["evaluate", str(bundle), str(tmp_path)]) == 2
    Image.new("L", (40, 30), 90).save(tmp_path / "nothing.png")
    assert main(["predict", str(bundle), str(tmp_path / "nothing.png")]) == 0
    assert capsys.readouterr().out.split("\t")[1] == "unknown"


@pytest.mark.filterwarnings("default:Left out")
def test_fit_warns_once_of_what_it_left_out(pictures, tmp_path, capsys):
    folder = tmp_path / "mine"
    for name in ("c0", "c1"):
        (folder / name).mkdir(parents=True)
        shutil.copy(pictures / name / "0.png", folder / name)
    (folder / "c1" / "broken.png").write_bytes(b"no picture")
    given = ["fit", str(folder), "--out", str(tmp_path / "bundle"), "--no-invert"]
    assert main([*given, *DRAWINGS]) == 0
    output = capsys.readouterr()
    assert output.err == (
        "kmeta: warning: Left out 1 pictures: Cannot read the image c1/broken.png in "
        f"{folder}: it is no PNG, JPEG, GIF, BMP or WEBP file\n"
    )
    assert "Dark and light are swapped" not in output.out
    assert "left out in turn" not in output.out  # one picture each
    (folder / "c1" / "broken.png").unlink()
    given = ["fit", str(folder), "--out", str(tmp_path / "other"), "--calibrate"]
    assert main([*given, *DRAWINGS]) == 2
    assert "needs three classes" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_bundle_inside_the_folder_is_refused(pictures, capsys):
    assert main(["fit", str(pictures), "--out", str(pictures / "bundle")]) == 2
    assert "--out must not lie inside FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbone", "MobilNetV2"], "Did you mean 'MobileNetV2'?"),
        (["--size", "32", *DRAWINGS], "Argument `size` must be 28 or left out"),
        (["--size", "32"], "`weights` and `size` go with a `backbone` that is named"),
        (["--test", "nowhere"], "No such folder or zip archive: nowhere"),
        (["--calibrate", "nowhere"], "--calibrate takes a folder, or one of omniglot, glyphs"),
    ],
)
def test_wrong_options(pictures, tmp_path, capsys, options, message):
    assert main(["fit", str(pictures), "--out", str(tmp_path / "bundle"), *options]) == 2
    output = capsys.readouterr()
    assert output.err.count("\n") == 1 and message in output.err
    assert not (tmp_path / "bundle").exists()
