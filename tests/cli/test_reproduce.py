"""`kmeta reproduce`: from the command line to a kept result and back."""

import json

import pytest

from kmeta.cli.main import main
from kmeta.recipes import Recipe, Tasks
from kmeta.recipes.reproductions import REPRODUCTIONS, Reproduction, Setting


@pytest.fixture
def made_up(pictures, monkeypatch):
    recipe = Recipe(
        name="made-up",
        data=str(pictures),
        network={"filters": 3, "downsampling": "stride"},
        train=Tasks("train", way=3, query=2, tasks_per_step=2, steps=3),
        val=None,
        test=Tasks("test", way=2, query=3, tasks_per_step=2, steps=5, seed=2),
        epochs=1,
    )
    tasks = Tasks("test", way=2, query=1, tasks_per_step=2, steps=60)
    one = Reproduction("made-up", recipe, (Setting(tasks, {"bn_mode": "running"}),))
    monkeypatch.setitem(REPRODUCTIONS, "made-up", one)


def test_from_a_name_to_a_result_that_is_checked(made_up, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "made-up"]) == 0
    out = capsys.readouterr().out
    assert "2-way 1-shot: " in out and "(120 tasks, bn_mode=running)" in out
    assert (tmp_path / "runs" / "made-up" / "learner.keras").is_file()
    for more in ([], ["--quick"]):
        assert main(["reproduce", "made-up", "--check", *more]) == 0
        assert "Equal to the digit" in capsys.readouterr().out
    assert main(["reproduce", "all", "--check"]) == 0
    path = tmp_path / "results" / "made-up" / "result.json"
    record = json.loads(path.read_text())
    record["scores"][0]["accuracy"] = 0.123
    path.write_text(json.dumps(record))
    assert main(["reproduce", "made-up", "--check"]) == 2
    error = capsys.readouterr().err
    assert "The score of made-up is another one" in error and "12.30 %" in error
    assert main(["reproduce", "list"]) == 0
    assert "2-way 1-shot: 12.30 %" in capsys.readouterr().out
    assert main(["reproduce", "made-up", "--run", "again", "--results", "others"]) == 0
    assert {entry.name for entry in tmp_path.iterdir()} == {"runs", "results", "again", "others"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["maml-omniglot"], "nothing 'maml-omniglot' to reproduce. Did you mean '"),
        (["maml-omniglot-5way-1shot", "--quick"], "--quick goes with --check"),
        (["maml-omniglot-5way-1shot", "--check"], "There is no result in"),
        (["maml-omniglot-5way-1shot", "--check", "--unfinished"], "--check trains nothing"),
        (["maml-omniglot-5way-1shot", "--unfinished"], "There is no run in"),
        (["all", "--check"], "There are no results in"),
        (["all", "--run", "x"], "--run is the folder of one training"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_trained_on_is_said_before_hours_pass(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KMETA_DATA", str(tmp_path))
    monkeypatch.setattr("kmeta.data.omniglot.tfds_source.prepare", lambda *a, **k: 1 / 0)
    assert main(["reproduce", "maml-omniglot-5way-1shot", "--data-dir", str(tmp_path)]) == 2
    assert "No images_background and images_evaluation" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
