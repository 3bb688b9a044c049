"""Every mistake gives one line on standard error and exit code 2, and no traceback."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import kmeta
from kmeta import recipes
from kmeta.cli import interrupts
from kmeta.cli.main import COMMANDS, main

PROTOTYPICAL = ["--learner", "prototypical"]


def failed(capsys, arguments, code=2):
    """Run a command line that must fail; returns its one line."""
    try:
        found = main([str(argument) for argument in arguments])
    except SystemExit as error:
        found = error.code
    output = capsys.readouterr()
    assert found == code, output
    assert output.err.count("\n") == 1, output.err
    assert "Traceback" not in output.err
    return output.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND (see kmeta --help)"),
        (["trian"], "invalid choice: 'trian'"),
        (["train", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["train", "--way", "0"], "--way: expected a whole number of at least 1, received '0'"),
        (["train", "--way", "five"], "expected a whole number of at least 1, received 'five'"),
        (["train", "--learning-rate", "-1"], "expected a number above 0, received '-1'"),
        (["train", "--learning-rate", "nan"], "expected a number above 0, received 'nan'"),
        (["train", "--halve-every", "-1"], "expected a whole number of at least 0"),
        (["train", "--seed", "4294967296"], "expected a whole number below 2**32"),
        (["train", "--learner", "mamal"], "invalid choice: 'mamal'"),
        (["train", "--bn-mode", "eval"], "invalid choice: 'eval'"),
        (["train", *PROTOTYPICAL], "--run DIR is needed"),
        (["train", "--run", "x"], "choose --recipe NAME"),
        (["train", "--run", "x", *PROTOTYPICAL], "choose --recipe NAME"),
        (["train", "--run", "x", "--recipe", "demo-glyph"], "Did you mean 'demo-glyphs'?"),
        (
            ["train", "--run", "x", "--recipe", "demo-glyphs", "--learner", "maml"],
            "recipe demo-glyphs is one of prototypical; leave out --learner",
        ),
        (
            ["train", "--run", "x", "--recipe", "demo-glyphs", "--inner-steps", "2"],
            "prototypical has no option inner_steps",
        ),
        (["train", "--resume", "--run", "none"], "There is no run in none"),
        (["train", "--run", "x", *PROTOTYPICAL, "--data", "nowhere"], "There is no folder"),
        (
            ["train", "--run", "x", *PROTOTYPICAL, "--data", "omniglot", "--data-dir", "none"],
            "No such folder: data_dir='none'",
        ),
        (
            ["train", "--run", "x", *PROTOTYPICAL, "--data", "glyphs", "--channels", "3"],
            "Options of 'glyphs' are ['size', 'seed', 'drawers']. Received: 'channels'",
        ),
        (["evaluate", "none"], "There is no run in none"),
        (["report", "none"], "There is no run in none"),
        (["adapt", "none", "folder", "--out", "x.keras"], "No such file or folder: none"),
        (["adapt", "photos", "folder", "--out", "x.keras"], "photos comes with the package"),
        (["adapt", "none", "folder", "--out", "x.h5"], "must end in .keras. Received: x.h5"),
        (["adapt", "none", "folder", "--out", "no/x.keras"], "No such folder: no"),
        (["predict", "x.keras", "none.png"], "No such picture: none.png"),
        (["export", "none.keras", "bundle"], "No such file or folder: none.keras"),
        (["export", "c.keras", "b", "--quantize", "int8"], "--quantize needs --data: pictures"),
        (["export", "c.keras", "b", "--quantize", "int4"], "invalid choice: 'int4'"),
        (["export", "c.keras", "b", "--max-drop", "2"], "--max-drop goes with --quantize int8"),
        (["export", "c.keras", "b", "--data", "x"], "--data goes with --quantize int8"),
        (["export", "c.keras", "b", "--max-drop", "101"], "expected a number from 0 to 100"),
        (["export", "c.keras", "b", "--max-drop", "nan"], "expected a number from 0 to 100"),
        (["episodes", "--out", "x.png"], "--data is needed"),
        (["episodes", "--data", "glyphs", "--out", "x.gif"], "must end in .png"),
        (
            ["episodes", "--data", "glyphs", "--split", "trial", "--out", "x.png"],
            "Argument `split` must be one of",
        ),
    ],
)
def test_mistakes(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in failed(capsys, arguments)
    assert not list(tmp_path.iterdir())


def test_folders_that_are_no_data(capsys, tmp_path, pictures):
    train = ["train", "--run", tmp_path / "run", *PROTOTYPICAL, "--data"]
    (tmp_path / "empty").mkdir()
    assert "must have a sub-folder for each" in failed(capsys, [*train, tmp_path / "empty"])
    (tmp_path / "one" / "a").mkdir(parents=True)
    assert "Received: none, nothing in a/, in" in failed(capsys, [*train, tmp_path / "one"])
    shutil.copytree(next(path for path in pictures.iterdir()), tmp_path / "one" / "b")
    assert "Received: only 'b', nothing in a/, in" in failed(capsys, [*train, tmp_path / "one"])
    assert "val tasks from pictures-val: Argument `way`" in failed(capsys, [*train, pictures])
    message = failed(capsys, [*train, pictures, "--test-way", "2"])
    assert "has 8 images, but shot 1 and query 15 need 16" in message
    assert not (tmp_path / "run").exists()


def test_a_broken_picture(capsys, tmp_path):
    broken = tmp_path / "1.png"
    broken.write_bytes(b"rubbish")  # which is seen before anything is loaded
    assert f"Cannot read the image {broken}" in failed(capsys, ["predict", "c.keras", broken])
    broken.write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    learner = kmeta.load("prototypical-omniglot")
    classifier = tmp_path / "c.keras"
    learner.adapt(np.zeros((2, *learner.image_shape)), ["a", "b"]).save(classifier)
    assert f"Cannot read the image {broken}" in failed(capsys, ["predict", classifier, broken])


def test_folders_in_use_and_files_that_exist(capsys, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    train = ["train", "--recipe", "demo-glyphs", "--run"]
    assert "is not an empty folder" in failed(capsys, [*train, tmp_path / "full"])
    (tmp_path / "x.png").touch()
    draw = ["episodes", "--data", "glyphs", "--out"]
    assert "exists; pass --overwrite" in failed(capsys, [*draw, tmp_path / "x.png"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    assert "Continue it with --resume" in failed(capsys, [*train, tmp_path / "run"])
    assert "not the configuration of a run" in failed(capsys, ["evaluate", tmp_path / "run"])
    for options in ([], ["--quantize", "int8", "--data", tmp_path / "none"]):  # before the rest
        export = ["export", tmp_path / "none.keras", tmp_path / "full", *options]
        assert "which is not empty" in failed(capsys, export)
        assert "no manifest.json of a" in failed(capsys, [*export, "--overwrite"])


def test_a_learner_is_not_a_classifier_nor_the_other_way_round(capsys, tmp_path):
    import numpy as np

    import kmeta

    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(2))
    images = np.random.default_rng(0).random((2, 16, 16, 1), dtype=np.float32)
    learner.adapt(images, np.array(["a", "b"])).save(tmp_path / "classifier.keras")
    learner.save(tmp_path / "learner.keras")
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("L", (16, 16)).save(tmp_path / "data" / name / "1.png")
    picture = tmp_path / "data" / "a" / "1.png"
    message = failed(capsys, ["predict", tmp_path / "learner.keras", picture])
    assert "holds a PrototypicalNetwork, not a classifier; `kmeta adapt` makes one" in message
    out = ["--out", tmp_path / "out.keras"]
    arguments = ["adapt", tmp_path / "classifier.keras", tmp_path / "data", *out]
    assert "holds no learner to adapt but a Classifier" in failed(capsys, arguments)
    (tmp_path / "bundle").mkdir()
    assert "bundle" in failed(capsys, ["predict", tmp_path / "bundle", picture])
    (tmp_path / "rubbish.keras").write_bytes(b"rubbish")
    message = failed(capsys, ["export", tmp_path / "rubbish.keras", tmp_path / "b"])
    assert "Cannot load" in message


def test_debug_shows_the_traceback(monkeypatch):
    with pytest.raises(FileNotFoundError):
        main(["evaluate", "none", "--debug"])
    monkeypatch.setenv("KMETA_DEBUG", "1")
    with pytest.raises(FileNotFoundError):
        main(["evaluate", "none"])
    monkeypatch.setenv("KMETA_DEBUG", "0")
    assert main(["evaluate", "none"]) == 2


def test_a_loss_that_is_no_number_is_no_wrong_input(capsys, tmp_path, pictures, monkeypatch):
    def diverged(*_, **__):
        raise FloatingPointError("The loss is nan")

    monkeypatch.setattr("kmeta.runs.training.train_prepared", diverged)
    arguments = ["train", "--run", tmp_path / "run", *PROTOTYPICAL, "--data", pictures]
    message = failed(capsys, [*arguments, "--test-way", "2", "--test-query", "2"], code=1)
    assert message == "kmeta train: error: The loss is nan\n"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__.split(".")[-1])
def test_every_command_explains_itself(command, capsys):
    name = command.__name__.split(".")[-1]
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: kmeta {name} ")
    assert "SUPPRESS" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_help_version_and_recipes(capsys):
    for arguments in (["--help"], ["--version"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    assert "kmeta 0." in capsys.readouterr().out
    assert main(["train", "--recipe", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(recipes.RECIPES)


def start(*arguments, options=()):
    return subprocess.Popen(
        [sys.executable, *options, "-m", "kmeta.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"},
    )


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--run", "x", "--learner", "maml"]])
def test_errors_and_help_come_without_tensorflow(arguments):
    _, said = start(*arguments, options=["-X", "importtime"]).communicate()
    imported = {line.split("|")[-1].strip() for line in said.splitlines() if "|" in line}
    assert "kmeta.cli" in imported
    assert not imported & {"tensorflow", "keras"}


def test_ctrl_c_leaves_without_a_traceback(tmp_path, pictures):
    options = ["--test-way", "2", "--test-query", "2", "--filters", "2", "--steps", "100000"]
    data = ["--data", pictures, "--run", tmp_path / "run"]
    process = start("train", *PROTOTYPICAL, *data, *options)
    while not list(tmp_path.glob("run/tensorboard/**/events*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "kmeta train: interrupted\n")
    assert "Continue with: kmeta train --resume" in output


def test_an_interrupt_that_was_swallowed_comes_again(monkeypatch):
    monkeypatch.setattr(interrupts, "AGAIN", 0.2)
    with pytest.raises(KeyboardInterrupt):
        with interrupts.interruptible():
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            time.sleep(20)
    time.sleep(0.5)  # and not once more, when all is over


def test_an_interrupt_in_a_callback_is_not_lost(capsys):
    """Python passes over what is raised there, and says so."""

    class Held:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    hook, start = sys.unraisablehook, time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        with interrupts.interruptible():
            Held()
            time.sleep(20)
    assert time.monotonic() - start < interrupts.AGAIN
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook


def test_an_error_that_follows_an_interrupt_is_the_interrupt():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with interrupts.interruptible():
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise TypeError("swallowed") from None
    with pytest.raises(TypeError):
        with interrupts.interruptible():
            raise TypeError("an error of its own")
    assert signal.getsignal(signal.SIGINT) is before
