"""Every command once, on data and networks as small as can be."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import kmeta
from kmeta.cli import int8
from kmeta.cli.main import main

SMALL = (
    *("--filters", "3", "--downsampling", "stride", "--way", "3", "--query", "2"),
    *("--tasks-per-step", "2", "--steps", "3", "--epochs", "2", "--test-way", "2"),
    *("--test-query", "3", "--episodes", "8"),
)


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    """The folder of a run that `kmeta train` made."""
    path = tmp_path_factory.mktemp("cli") / "run"
    arguments = ["--learner", "prototypical", "--data", str(pictures), "--run", str(path)]
    assert main(["train", *arguments, *SMALL]) == 0
    return path


@pytest.fixture(scope="module")
def adapted(trained, tmp_path_factory, pictures):
    """A classifier that `kmeta adapt` made."""
    path = tmp_path_factory.mktemp("cli") / "classifier.keras"
    assert main(["adapt", str(trained), str(pictures), "--out", str(path)]) == 0
    return path


def test_train_prints_epochs_and_the_score(pictures, tmp_path, capsys):
    arguments = ["--learner", "prototypical", "--data", str(pictures), "--run", str(tmp_path / "r")]
    assert main(["train", *arguments, *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Training prototypical on ")
    assert lines[0].endswith(": 3-way 1-shot, tasks per step: 2, steps per epoch: 3, epochs: 2")
    assert lines[1] == f"in {tmp_path / 'r'}"
    assert re.match(r"epoch 1/2  accuracy 0\.\d{4}  loss .* val_accuracy .* s$", lines[2])
    assert lines[3].startswith("epoch 2/2")
    score = r"Test: \d+\.\d\d % \+- \d+\.\d\d \(95 % interval, 8 episodes of pictures-test, bn_mode"
    assert re.match(score, lines[4])
    assert lines[5] == f"Learner: {tmp_path / 'r' / 'learner.keras'}"


@pytest.mark.slow
def test_train_maml_with_its_own_options(pictures, tmp_path):
    options = ["--inner-steps", "2", "--inner-lr", "0.1", "--first-order", "--bn-mode", "batch"]
    arguments = ["--learner", "maml", "--data", str(pictures), "--run", str(tmp_path / "run")]
    assert main(["train", *arguments, *SMALL, "--test-way", "3", "--epochs", "1"]) == 2
    more = ["--way", "2", "--epochs", "1", "--test-inner-steps", "3"]
    assert main(["train", *arguments, *SMALL, *more, *options]) == 0
    learner = kmeta.load(tmp_path / "run")
    assert isinstance(learner, kmeta.MAML)
    assert (learner.inner_steps, learner.inner_lr, learner.test_inner_steps) == (2, 0.1, 3)
    assert learner.first_order
    assert learner.bn_mode == "batch"


@pytest.mark.slow
def test_train_and_evaluate_mann(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    options = ["--way", "2", "--shot", "3", "--epochs", "1", "--steps", "2", "--episodes", "8"]
    arguments = ["train", "--learner", "mann", "--data", str(pictures), "--run", str(run), *options]
    assert main([*arguments, "--size", "16", "--channels", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("Test: "))
    assert lines[first].startswith("Test: at the last instance of a class ")
    found = [re.fullmatch(r"  instance  (\d): +[\d.]+ % \+- [\d.]+", line) for line in lines]
    assert [row[1] for row in found if row] == ["1", "2", "3"]
    result = json.loads((run / "result.json").read_text())
    assert len(result["instances"]) == 3 and result["instances"][-1][0] == result["accuracy"]
    assert result["manifest"]["labels"] == "one_hot"
    assert main(["evaluate", str(run), "--shot", "2"]) == 0
    assert "instance  2" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--query", "2"]) == 2
    assert "mann reads sequences, without queries; leave out --query" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--way", "3"]) == 2  # two classes are held out
    out = tmp_path / "classifier.keras"
    two = tmp_path / "two"
    for name in ("c0", "c1"):
        shutil.copytree(pictures / name, two / name)
    assert main(["adapt", str(run), str(two), "--out", str(out)]) == 0
    assert kmeta.load(out).class_names == ["c0", "c1"]


def test_resume_takes_its_settings_from_the_run(trained, capsys):
    assert main(["train", "--resume", "--run", str(trained)]) == 0
    assert "Test: " in capsys.readouterr().out
    assert main(["train", "--resume", "--run", str(trained), "--way", "3"]) == 0
    assert main(["train", "--resume", "--run", str(trained), "--way", "4"]) == 2
    assert "train.way is 3 in the run and 4 now" in capsys.readouterr().err


@pytest.mark.slow
def test_interrupting_says_how_to_go_on(pictures, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    from kmeta.runs.log import EpochLine

    monkeypatch.setattr(EpochLine, "on_epoch_end", interrupted)
    arguments = ["--learner", "prototypical", "--data", str(pictures), "--run", str(tmp_path / "r")]
    assert main(["train", *arguments, *SMALL]) == 130
    output = capsys.readouterr()
    assert f"Continue with: kmeta train --resume --run {tmp_path / 'r'}" in output.out
    assert output.err == "kmeta train: interrupted\n"
    monkeypatch.undo()
    assert main(["train", "--resume", "--run", str(tmp_path / "r")]) == 0


def test_evaluate_repeats_the_test_and_keeps_a_record(trained, capsys):
    assert main(["evaluate", str(trained)]) == 0
    printed = capsys.readouterr().out
    result = json.loads((trained / "result.json").read_text())
    assert printed.startswith(f"{100 * result['accuracy']:.2f} % +- ")
    lines = (trained / "evaluations.jsonl").read_text().splitlines()
    record = json.loads(lines[-1])
    assert record["manifest"] == result["manifest"]
    assert record["accuracy"] == result["accuracy"]
    assert record["versions"] == result["versions"]


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        (["--episodes", "6"], {"tasks_per_step": 3, "steps": 2}),
        (["--seed", "9"], {"seed": 9}),
        (["--split", "train", "--way", "3"], {"way": 3, "dataset": "pictures-train"}),
        (["--shot", "2"], {"shot": 2}),
        (["--query", "2"], {"query": 2}),
        (["--rotations"], {"rotations": True}),
    ],
)
def test_evaluate_on_other_tasks(trained, options, changes):
    assert main(["evaluate", str(trained), *options]) == 0
    base = json.loads((trained / "result.json").read_text())["manifest"]
    lines = (trained / "evaluations.jsonl").read_text().splitlines()
    manifest = json.loads(lines[-1])["manifest"]
    for name in set(base) - {"episodes_sha256", "data_sha256"}:
        assert manifest[name] == changes.get(name, base[name])
    assert manifest["episodes_sha256"] != base["episodes_sha256"]


def test_evaluate_with_other_statistics(trained, capsys):
    assert main(["evaluate", str(trained), "--bn-mode", "batch"]) == 0
    assert "bn_mode=batch" in capsys.readouterr().out
    assert main(["evaluate", str(trained), "--bn-mode", "batch", "running"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["bn_mode=batch" in line for line in lines] == [True, False]
    recorded = (trained / "evaluations.jsonl").read_text().splitlines()[-2:]
    modes, tasks = zip(
        *((r["bn_mode"], r["manifest"]["episodes_sha256"]) for r in map(json.loads, recorded)),
        strict=True,
    )
    assert modes == ("batch", "running") and len(set(tasks)) == 1


def test_evaluate_on_another_folder_takes_all_of_it(trained, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "other" / name).mkdir(parents=True)
        for copy in range(4):
            pixels = rng.integers(0, 255, (20, 30, 3)).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / "other" / name / f"{copy}.png")
    arguments = ["evaluate", str(trained), "--data", str(tmp_path / "other")]
    assert main(arguments) == 0
    assert "8 episodes of other, " in capsys.readouterr().out
    before = (trained / "evaluations.jsonl").read_text().splitlines()[-1]
    assert main([*arguments, "--invert"]) == 0
    after = (trained / "evaluations.jsonl").read_text().splitlines()[-1]
    assert json.loads(before)["manifest"] != json.loads(after)["manifest"]


def test_adapt_learns_the_folders_classes(trained, adapted, pictures, tmp_path, capsys):
    out = str(tmp_path / "again.keras")
    assert main(["adapt", str(trained), str(pictures), "--out", out]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Learned 10 classes (pictures of each): c0 (8), c1 (8), ")
    assert kmeta.load(adapted).class_names == [f"c{number}" for number in range(10)]
    learner = trained / "learner.keras"
    assert main(["adapt", str(learner), str(pictures), "--out", out]) == 2
    assert "exists; pass --overwrite" in capsys.readouterr().err
    before = kmeta.load(out).state["prototypes"]
    options = ["--out", out, "--overwrite", "--invert"]
    assert main(["adapt", str(learner), str(pictures), *options]) == 0
    assert np.abs(before - kmeta.load(out).state["prototypes"]).max() > 1e-4


def test_predict_prints_classes_and_probabilities(adapted, pictures, capsys):
    images = [str(pictures / "c0" / "0.png"), str(pictures / "c9" / "1.png")]
    assert main(["predict", str(adapted), *images]) == 0
    first, second = capsys.readouterr().out.splitlines()
    path, name, probability = first.split("\t")
    assert path == images[0]
    assert second.split("\t")[0] == images[1]
    assert main(["predict", str(adapted), images[0], "--top", "10"]) == 0
    path, *pairs = capsys.readouterr().out.strip().split("\t")
    assert pairs[:2] == [name, probability]
    assert sorted(pairs[0::2]) == [f"c{number}" for number in range(10)]
    values = [float(value) for value in pairs[1::2]]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1.0, abs=1e-3)
    assert main(["predict", str(adapted), images[0], "--top", "10", "--invert"]) == 0
    assert capsys.readouterr().out.strip().split("\t")[1:] != pairs


@pytest.mark.slow
def test_export_in_8_bits(adapted, pictures, tmp_path, capsys):
    arguments = ["export", str(adapted), str(tmp_path / "bundle"), "--quantize", "int8"]
    arguments += ["--data", str(pictures), "--way", "3", "--query", "2", "--episodes", "7"]
    options = ["--seed", "5", "--max-drop", "90", "--reduce-range"]
    assert main([*arguments, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Bundle", "int8", "ONNX", "one", "accuracy", "a"]
    assert "weights in 7 bits" in lines[-1]
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    found = manifest["quantization"]
    assert (found["max_drop"], found["reduce_range"]) == (90, True)
    assert found["calibration_images"] == 50 * 3 * 2
    episodes = found["episodes"]
    assert episodes["dataset"] == "pictures, half 2"
    settings = [episodes[name] for name in ("way", "shot", "query", "steps", "seed", "rotations")]
    assert settings == [3, 1, 2, 7, 5, False]
    assert main([*arguments, "--shot", "3", "--overwrite"]) == 2
    assert "scored tasks from pictures, half 2: Class 'c0' has 4 images" in capsys.readouterr().err
    assert main([*arguments, "--split", "test", "--overwrite"]) == 2  # two classes only
    assert "pictures-test, half 1: Argument `way` must be" in capsys.readouterr().err


def test_halves_of_pictures(pictures):
    whole = kmeta.data.from_directory(pictures, size=16, channels=1)
    first, second = int8.halves(whole)
    assert first.class_names == second.class_names == whole.class_names
    for label in range(10):
        images = whole.images[whole.indices_of(label)]
        np.testing.assert_array_equal(first.images[first.indices_of(label)], images[::2])
        np.testing.assert_array_equal(second.images[second.indices_of(label)], images[1::2])
    single = kmeta.data.from_arrays(whole.images[:9], whole.labels[:9])
    with pytest.raises(ValueError, match="two or more pictures of each .* one of '1' in arrays"):
        int8.halves(single)


def test_export_and_predict_from_the_bundle(adapted, pictures, tmp_path, capsys):
    bundle, image = str(tmp_path / "bundle"), str(pictures / "c3" / "0.png")
    (tmp_path / "bundle").mkdir()
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(json.dumps({"format": "kmeta.bundle", "files": {}}))
    assert main(["export", str(adapted), bundle]) == 2
    assert "overwrite" in capsys.readouterr().err
    assert main(["export", str(adapted), bundle, "--overwrite"]) == 0
    assert f"Bundle {bundle}: " in capsys.readouterr().out
    assert main(["predict", bundle, image]) == 0
    from_bundle = capsys.readouterr().out
    assert main(["predict", str(adapted), image]) == 0
    assert capsys.readouterr().out.split("\t")[:2] == from_bundle.split("\t")[:2]


def test_episodes_draws_a_picture(pictures, tmp_path, capsys):
    def drawn(*options):
        path = tmp_path / "episode.png"
        arguments = ["--data", str(pictures), "--out", str(path), "--overwrite", *options]
        assert main(["episodes", *arguments]) == 0
        with Image.open(path) as image:
            return image.size, image.tobytes()

    size, pixels = drawn("--way", "3")
    assert capsys.readouterr().out == (
        f"3-way 1-shot task of pictures-train: {tmp_path / 'episode.png'}\n"
    )
    assert drawn("--way", "3") == (size, pixels)
    assert drawn("--way", "3", "--seed", "1")[1] != pixels
    assert drawn("--way", "5")[0][1] > size[1]
    assert drawn("--way", "3", "--shot", "2")[0][0] > size[0]
    assert drawn("--way", "3", "--query", "2")[0][0] < size[0]
    assert drawn("--way", "3", "--split", "all")[1] != pixels
    assert drawn("--way", "3", "--rotations")[1] != pixels
