"""`kmeta report` on runs that were trained for it, on pictures whose names are hostile."""

import base64
import io
import json
import shutil
import warnings

import keras
import numpy as np
import pytest
from html_reader import Reader
from PIL import Image

import kmeta
from kmeta.cli.main import main
from kmeta.recipes import Recipe, Tasks
from kmeta.report import write_report
from kmeta.report.pictures import picture_sections

HOSTILE = '<img src=x onerror=alert("1")> $&'
SMALL = ("--filters", "3", "--downsampling", "stride", "--steps", "3", "--epochs", "2")
TASKS = ("--way", "2", "--query", "2", "--test-query", "3", "--tasks-per-step", "2")


@pytest.fixture(scope="module")
def hostile(pictures, tmp_path_factory):
    """The shared pictures under names that are markup."""
    folder = tmp_path_factory.mktemp("report") / "pictures"
    for place in pictures.iterdir():
        shutil.copytree(place, folder / (HOSTILE + place.name))
    return folder


def trained(folder, data, learner, *options):
    arguments = ["--learner", learner, "--data", str(data), "--run", str(folder), *SMALL]
    assert main(["train", *arguments, "--episodes", "8", *options]) == 0
    return folder


@pytest.fixture(scope="module")
def matching(hostile, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "matching"
    return trained(run, hostile, "matching", *TASKS, "--scale", "10")


def page_of(run):
    """The page that the command wrote, read, and as text."""
    assert main(["report", str(run)]) == 0
    text = (run / "report.html").read_text(encoding="utf-8")
    read = Reader(text)
    assert not read.open
    return read, text


@pytest.fixture(scope="module")
def page(matching):
    return page_of(matching)


@pytest.fixture
def started(matching, tmp_path):
    """The folder of a run that has not ended an epoch."""
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(matching / "config.json", run)
    return run


def pictures_of(read):
    """Captions and pictures of a page."""
    found = {}
    for name, attributes in read.elements:
        if name == "img":
            head, data = attributes["src"].split(",")
            assert head == "data:image/png;base64"
            image = Image.open(io.BytesIO(base64.b64decode(data)))
            image.load()
            found[attributes["alt"]] = image
    return found


def test_the_page_has_result_settings_and_hashes(matching, page):
    read, _ = page
    result = json.loads((matching / "result.json").read_text())
    config = json.loads((matching / "config.json").read_text())
    text = read.text
    score = f"{100 * result['accuracy']:.2f} % ± {100 * result['interval']:.2f}"
    assert f"Accuracy {score}" in text
    assert any(f"8 test tasks of pictures-test, bn_mode {result['bn_mode']}" in x for x in text)
    assert result["manifest"]["episodes_sha256"] in text
    for split, sha in config["data_sha256"].items():
        assert text[text.index(f"data, {split}") + 1] == sha
    assert text[text.index("train.way") + 1] == "2"
    assert text[text.index("learner_options.scale") + 1] == "10.0"
    assert text[text.index("keras") + 1] == config["machines"][0]["keras"]
    assert text[text.index("weights kept") + 1] == f"those of epoch {result['best_epoch']}"
    names = [name for name, _ in read.elements]
    assert names.count("h1") == names.count("main") == 1
    titles = ["Result", "Training", "A test task", "Confusion", "Reliability", "Settings"]
    assert [x for x in text if x in titles] == titles


def test_pictures_suit_the_learner(page):
    read, _ = page
    alts = list(pictures_of(read))
    assert alts[0] == "Loss and accuracy, epoch by epoch"
    assert alts[1].startswith("The first task of the test: ")
    assert alts[2].startswith("The embedded task in the plane")
    assert alts[3].startswith("Attention over the support set")
    assert alts[4:] == [
        "Answers over 50 tasks of the same 2 test classes",
        "Confidence and accuracy of 300 predictions in 50 test tasks",
    ]
    assert all(min(image.size) > 100 for image in pictures_of(read).values())


def test_nothing_is_fetched_and_names_are_text(page):
    read, text = page
    for name, attributes in read.elements:
        assert name not in ("script", "link", "iframe", "object")
        assert not any(key.startswith("on") for key in attributes)
        assert attributes.get("src", "data:").startswith("data:")
    assert "http" not in text.replace("http-equiv", "")
    assert any(HOSTILE in x for x in read.text), "the confused classes are named"
    assert HOSTILE not in text


def test_later_evaluations_are_listed(matching, started):
    record = json.loads((matching / "result.json").read_text())
    benchmark = {"benchmark": "made-up", "error": 0.25, "interval": 0.01}
    unknown = {**record, "interval": None}
    lines = "\n".join(map(json.dumps, (record, benchmark, unknown)))
    (started / "evaluations.jsonl").write_text(lines)
    text = page_of(started)[0].text
    text = text[text.index("Later evaluations") :]
    accuracy = f"{100 * record['accuracy']:.2f} %"
    assert f"{accuracy} ± {100 * record['interval']:.2f}" in text and accuracy in text
    assert text.count(record["manifest"]["episodes_sha256"][:12]) == 2
    assert "2: error in made-up: 25.00 % ± 1.00" in text


def test_instances_are_a_table_and_a_curve(matching, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(matching, run)
    result = json.loads((run / "result.json").read_text())
    result["instances"] = [[0.25, 0.0123], [0.75, 0.02]]
    (run / "result.json").write_text(json.dumps(result))
    read, _ = page_of(run)
    start = read.text.index("instance")
    assert read.text[start : start + 6] == (
        ["instance", "accuracy", "1", "25.00 % ± 1.23", "2", "75.00 % ± 2.00"]
    )
    assert next(iter(pictures_of(read))).startswith("Accuracy at the first, second")
    assert any(x.startswith("Accuracy at the last instance of a class ") for x in read.text)


@pytest.mark.parametrize("labels", ["one_hot", "strings"])
def test_pictures_of_sequences(labels, monkeypatch):
    """Right and wrong are those of the labels that the sequence has, however they are spelled."""
    from kmeta import plots

    drawn = {}
    for name in ("draw_sequence", "draw_memory"):

        def draw(*arguments, name=name, **options):
            drawn[name] = arguments, options
            return b""

        monkeypatch.setattr(plots, name, draw)
    rng = np.random.default_rng(0)
    dataset = kmeta.data.from_arrays(rng.random((12, 4, 4)), np.arange(12) % 3)
    cell = kmeta.layers.MemoryCell(units=8, slots=6, width=4, heads=2)
    learner = kmeta.MemoryAugmentedNetwork(keras.layers.Flatten(), 2, cell, labels=labels)
    learner.build((4, 4, 1))
    options = {"learner": "mann", "learner_options": {"labels": labels}}
    recipe = Recipe(**options, test=Tasks("test", way=2, shot=3, query=0, seed=3))
    (made,) = picture_sections(learner, recipe, dataset)
    episodes = kmeta.data.SequenceEpisodes(dataset, 2, 3, 1, labels=labels, seed=3)
    sequence, y = episodes[0]
    answers = learner.predict_on_batch(sequence).argmax(-1)
    right = (answers == y).reshape(1, 6, -1).all(axis=-1)
    (_, truth, _, names), given = drawn["draw_sequence"]
    assert ((given["predictions"] == truth) == right).all()
    assert f"{right.sum()} of 6 labels are right" in made
    x = np.round(sequence.x[0], 4)
    for label, name in enumerate(names):
        own = np.round(dataset.images[dataset.labels == int(name)], 4)
        assert all((image == own).all(axis=(1, 2, 3)).any() for image in x[truth[0] == label])
    weights = drawn["draw_memory"][0][0]
    np.testing.assert_array_equal(weights["usage"], learner.memory_weights(sequence)["usage"])


def test_a_run_that_has_not_finished(matching, started):
    read, _ = page_of(started)
    assert "Not finished: 0 of 2 epochs. " in read.text
    assert f"kmeta train --resume --run {started}" in read.text
    assert not pictures_of(read)
    lines = (matching / "log.csv").read_text().splitlines()
    (started / "log.csv").write_text("\n".join(lines[:2]) + "\n" + lines[2][:5])
    read, _ = page_of(started)
    assert "Not finished: 1 of 2 epochs. " in read.text
    assert list(pictures_of(read)) == ["Loss and accuracy, epoch by epoch"]


def test_data_that_are_gone_or_changed(matching, hostile, tmp_path, capsys):
    run, data = tmp_path / "run", tmp_path / "pictures"
    shutil.copytree(matching, run)
    shutil.copytree(hostile, data)
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["data"] = str(data)
    (run / "config.json").write_text(json.dumps(config))
    for place in data.iterdir():
        Image.fromarray(np.zeros((16, 16), "uint8")).save(place / "0.png")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        read, _ = page_of(run)
    warned = capsys.readouterr().err
    assert warned.startswith("kmeta: warning: No pictures of tasks, ") and "has changed" in warned
    assert any("pictures-test has changed since the run was started" in x for x in read.text)
    shutil.rmtree(data)
    with pytest.warns(UserWarning, match="No pictures of tasks, .* There is no folder"):
        write_report(run)
    read = Reader((run / "report.html").read_text(encoding="utf-8"))
    assert any(x.startswith("The data are absent: There is no folder") for x in read.text)
    assert list(pictures_of(read)) == ["Loss and accuracy, epoch by epoch"]


def test_where_the_page_goes(started, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["report", str(started), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"Report: {out}\n"
    before = out.read_bytes()
    assert main(["report", str(started), "--out", str(out)]) == 2
    assert "exists; pass --overwrite" in capsys.readouterr().err
    assert main(["report", str(started), "--out", str(out), "--overwrite"]) == 0
    assert out.read_bytes() == before, "the same run, the same page"
    assert main(["report", str(started), "--out", str(tmp_path / "page.txt")]) == 2
    assert "must end in .html" in capsys.readouterr().err


def test_damaged_files_are_one_line(started, capsys):
    (started / "log.csv").write_text("epoch,loss\nzero,1\n")
    assert main(["report", str(started)]) == 2
    expected = f"kmeta report: error: Cannot read {started / 'log.csv'}"
    assert capsys.readouterr().err.startswith(expected)
    (started / "log.csv").unlink()
    (started / "evaluations.jsonl").write_text("{")
    assert main(["report", str(started)]) == 2
    assert "Cannot read" in capsys.readouterr().err
    assert not (started / "report.html").exists()
