"""`kmeta evaluate --benchmark omniglot-one-shot`."""

import json

import keras
import pytest
from made_up_runs import made_up_files, write_zip

import kmeta
from kmeta.cli.main import main
from kmeta.runs.folder import Run, write_json

ONE_SHOT = ["--benchmark", "omniglot-one-shot"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("omniglot")
    write_zip(folder / "all_runs.zip", made_up_files())
    return folder


@pytest.fixture
def finished(tmp_path, data):
    """Function: the folder of a finished run of a recipe, with a learner that looks at pixels."""

    def finished(size=105, **changes):
        recipe = {**kmeta_recipe(), **changes}
        run = Run(tmp_path / "run")
        learner = kmeta.PrototypicalNetwork(
            keras.Sequential([keras.layers.Flatten(), keras.layers.BatchNormalization()])
        )
        learner.build((size, size, 1))
        run.path.mkdir()
        learner.save(run.learner_path)
        config = {"recipe": recipe, "data_dir": str(data), "image_shape": [size, size, 1]}
        write_json(run.config_path, config)
        return run

    return finished


def kmeta_recipe():
    from kmeta.recipes import Recipe, Tasks

    return Recipe(train=Tasks("background", query=5)).to_dict()


def test_the_score_is_printed_and_kept(finished, capsys):
    run = finished()
    assert main(["evaluate", str(run.path), *ONE_SHOT]) == 0
    score = "0.00 % +- 0.00 error (95 % interval, 20 one-shot runs of 20 classes, bn_mode=running)"
    assert capsys.readouterr().out == score + "\n"
    record = json.loads(run.evaluations_path.read_text())
    assert record["benchmark"] == "omniglot-one-shot"
    assert record["error"] == 0.0 and record["errors"] == [0.0] * 20
    assert record["method"] == "PrototypicalNetwork"
    assert len(record["runs_sha256"]) == 64 and "keras" in record["versions"]


@pytest.mark.slow
def test_options_of_the_pictures_are_those_of_training(finished, capsys):
    run = finished(28, data_options={"antialias": True, "invert": True})
    assert main(["evaluate", str(run.path), *ONE_SHOT]) == 0
    assert main(["evaluate", str(run.path), *ONE_SHOT, "--no-invert"]) == 0
    lines = run.evaluations_path.read_text().splitlines()
    hashes = [json.loads(line)["runs_sha256"] for line in lines]
    learner = kmeta.load(run.path)
    from kmeta.evaluation.one_shot_runs import omniglot_one_shot

    expected = [
        omniglot_one_shot(learner, run.config["data_dir"], antialias=True, invert=invert)
        for invert in (True, False)
    ]
    assert hashes == [result.runs_sha256 for result in expected]


def test_other_statistics_and_another_split(finished, capsys):
    recipe = kmeta_recipe()
    run = finished(train={**recipe["train"], "split": "trainval"})
    assert main(["evaluate", str(run.path), *ONE_SHOT, "--bn-mode", "batch"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Note: trained on trainval, not on background alone")
    assert "bn_mode=running" in printed  # an adapted classifier never depends on its batch


def test_baseline(data, capsys):
    arguments = ["evaluate", *ONE_SHOT, "--baseline", "hausdorff", "--data-dir", str(data)]
    assert main(arguments) == 0
    score = "0.00 % +- 0.00 error (95 % interval, 20 one-shot runs of 20 classes)\n"
    assert capsys.readouterr().out == score


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (ONE_SHOT, "RUN is needed: the folder of a finished run, or --baseline hausdorff"),
        ([], "RUN is needed: the folder of a finished run"),
        (["x", "--baseline", "hausdorff"], "--baseline goes with --benchmark"),
        (["x", *ONE_SHOT, "--baseline", "hausdorff"], "takes neither RUN nor its options"),
        (["x", *ONE_SHOT, "--bn-mode", "batch", "running"], "takes one --bn-mode at a time"),
        ([*ONE_SHOT, "--baseline", "hausdorff", "--bn-mode", "batch"], "takes neither RUN nor"),
        (["x", *ONE_SHOT, "--way", "5"], "has tasks of its own; leave out --way"),
        (["x", *ONE_SHOT, "--no-rotations"], "has tasks of its own; leave out --rotations"),
        (["x", *ONE_SHOT], "There is no run in x"),
        ([*ONE_SHOT, "--baseline", "hausdorff"], "No all_runs.zip of Omniglot"),
        (["--benchmark", "imagenet"], "invalid choice: 'imagenet'"),
    ],
)
def test_mistakes(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KMETA_DATA", raising=False)
    try:
        code = main(["evaluate", *arguments])
    except SystemExit as error:
        code = error.code
    output = capsys.readouterr()
    assert code == 2
    assert message in output.err and output.err.count("\n") == 1
