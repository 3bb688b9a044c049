"""Files of a run that somebody has changed: no code runs, nothing is taken in silence, one line."""

import json
import random
import shutil
import zipfile

import keras
import numpy as np
import pytest

import kmeta
from kmeta.cli.main import main
from kmeta.learners import finite
from kmeta.recipes import Recipe, Tasks
from kmeta.runs import Run, train
from kmeta.runs.building import make_learner, make_optimizer
from kmeta.runs.checkpoint import Checkpoint
from kmeta.runs.folder import locked, read_json, write_json
from kmeta.runs.log import cut_log


@pytest.fixture(scope="module")
def finished(pictures, tmp_path_factory):
    """A finished run. Tests read it and do not change it."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    train(small(pictures), path, verbose=0)
    return path


def small(pictures, **changes):
    return Recipe(
        data=str(pictures),
        network={"filters": 3, "downsampling": "stride"},
        train=Tasks("train", way=3, query=2, tasks_per_step=2, steps=3),
        val=Tasks("val", way=2, query=3, tasks_per_step=2, steps=2, seed=1),
        test=Tasks("test", way=2, query=3, tasks_per_step=2, steps=5, seed=2),
        **{"epochs": 1, **changes},
    )


@pytest.fixture
def stopped(finished, tmp_path):
    """A copy of the run that is to go on with a second epoch."""
    path = tmp_path / "stopped"
    shutil.copytree(finished, path)
    run = Run(path)
    config = run.config
    config["recipe"]["epochs"] = 2
    write_json(run.config_path, config)
    for file in (run.result_path, run.learner_path):
        file.unlink()
    return run


def refused(capsys, *arguments):
    """The one line that a command line is refused with."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kmeta ") and error.count("\n") == 1
    return error


class Built:
    """A learner that is as that of the run, made once."""

    learner = None

    @classmethod
    def of(cls, recipe):
        if cls.learner is None:
            cls.learner = make_learner(recipe)
            cls.learner.build((16, 16, 1))
            cls.learner.compile(optimizer=make_optimizer(recipe))
            cls.learner.optimizer.build(cls.learner.trainable_variables)
        return cls.learner


NETWORKS = [
    {"layer": "TFSMLayer", "filepath": "model"},
    {"layer": "TorchModuleWrapper", "module": "x"},
    {"layer": "Lambda", "function": "x"},
    {"layer": "StringLookup", "vocabulary": "/etc/passwd"},
    {"layer": "RelationEmbedding"},
    {"layer": ["Conv4"]},
    {"layer": None},
    {"layer": "Conv4", "kernel_initializer": {"class_name": "function", "config": "os.system"}},
    {"filters": {"class_name": "Lambda"}},
    {"filters": 10**6},
    {"name": "a"},
    ["Conv4"],
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_no_layer_is_made_that_is_not_on_the_list(stopped, capsys, monkeypatch, network):
    made = []
    monkeypatch.setattr(keras.layers, "TFSMLayer", lambda *a, **k: made.append(a))
    config = json.loads(stopped.config_path.read_text())
    config["recipe"]["network"] = network
    write_json(stopped.config_path, config)
    error = refused(capsys, "train", "--resume", "--run", stopped.path)
    assert "is not the configuration of a run: Argument `network" in error
    assert made == []


def test_a_recipe_made_in_python_names_no_other_layer_either():
    with pytest.raises(ValueError, match=r"Argument `network.layer` must be one of \['Conv4'"):
        make_learner(Recipe(network={"layer": "Dense", "units": 3}))
    flat = make_learner(Recipe(network={"layer": "Flatten"}))
    assert isinstance(flat.network, keras.layers.Flatten)


BROKEN = {
    "learner": (3, None, "Model", ["maml"], {}),
    "learner_options": ({"bn_mode": 1}, {"inner_lr": 1}, {"scale": "big"}, [], {"scale": 10**400}),
    "data": (None, 3, "tfds:huggingface:evil/x y", "a\x1b[2Jb"),
    "data_options": ({"size": 10**9}, {"size": [1, 2, 3]}, {"size": -1}, {"download": True}, 3),
    "train": (None, [], {}, {"split": "train", "ways": 5}, {"split": 3}),
    "val": (3, {"split": "val", "way": 0}, {"split": "val", "seed": -1}),
    "test": (None, {"split": "test", "shot": 1.5}, {"split": "test", "steps": True}),
    "pairs": (1, {"batch_size": 8}, {"workers": 8}),
    "epochs": ("3", 0, True, 1e3, 2**40),
    "optimizer": ("lion", {"class_name": "SGD"}),
    "learning_rate": ("fast", 0, -1.0, float("nan"), float("inf"), None),
    "halve_every": (0, "x"),
    "halve_from": (0, "x"),
    "clip_norm": (-1, "x"),
    "head_stddev": (0, []),
    "seed": (-1, 2**32, None),
    "rotations": (1, "yes", None),
    "name": (3, "\n"),
    "colour": (1,),
}


@pytest.mark.parametrize("field", BROKEN)
def test_every_field_of_a_recipe_is_checked(field):
    base = json.loads(json.dumps(Recipe().to_dict()))
    assert Recipe.from_dict(base) == Recipe()
    for value in BROKEN[field]:
        with pytest.raises(ValueError, match=field):
            Recipe.from_dict({**base, field: value})
    with pytest.raises(ValueError, match="at least the fields `learner` and `train`"):
        Recipe.from_dict({})


CONFIGS = {
    "empty": b"",
    "no object": b"[]",
    "no recipe": b'{"recipe": 1}',
    "nested": b"[" * 100_000,
    "no text": b"\xff\xfe",
    "nul": b"\0" * 100,
    "shape": b'{"recipe": {}, "image_shape": ["a"]}',
    "place": b'{"recipe": {}, "image_shape": [1, 1, 1], "data_dir": 7}',
    "hashes": b'{"recipe": {}, "image_shape": [1, 1, 1], "data_sha256": []}',
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_that_is_none(stopped, capsys, kind):
    stopped.config_path.write_bytes(CONFIGS[kind])
    refused(capsys, "train", "--resume", "--run", stopped.path)
    refused(capsys, "report", stopped.path)


def test_json_of_any_length_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("kmeta.runs.folder.MOST_BYTES", 10)
    (tmp_path / "x.json").write_text('"0123456789"')
    with pytest.raises(ValueError, match="has more than 10 bytes"):
        read_json(tmp_path / "x.json")


def arrays(path):
    with np.load(path) as saved:
        return dict(saved)


def changed(name, value):
    def change(content):
        return {**content, name: value(content[name])}

    return change


def state(**changes):
    return changed("state", lambda old: json.dumps({**json.loads(str(old)), **changes}))


CHECKPOINTS = {
    "not a number": changed("learner_0", lambda x: x * np.nan),
    "infinite rate": changed("optimizer_2", lambda x: x + np.inf),
    "best is not a number": changed("best_0", lambda x: x * np.nan),
    "best of other shape": changed("best_0", lambda x: x[:1]),
    "text for weights": changed("learner_0", lambda x: x.astype(str)),
    "complex weights": changed("learner_0", lambda x: x.astype(complex)),
    "no state": lambda content: {k: v for k, v in content.items() if k != "state"},
    "state is no json": changed("state", lambda _: "{"),
    "state is a list": changed("state", lambda _: "[]"),
    "state is nested": changed("state", lambda _: "[" * 100_000),
    "no sizes": state(sizes=None),
    "huge sizes": state(sizes={"learner": 10**12, "optimizer": 1, "best": 1}),
    "sizes of text": state(sizes={"learner": "1", "optimizer": 1, "best": 1}),
    "epochs of text": state(epochs_done="one"),
    "negative epochs": state(epochs_done=-1),
    "seconds of text": state(seconds="1"),
    "best accuracy of text": state(best_accuracy="high"),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_checkpoint_that_is_not_as_it_was_saved(stopped, kind):
    learner = Built.of(stopped.recipe)
    before = learner.get_weights()
    np.savez(stopped.checkpoint_path, **CHECKPOINTS[kind](arrays(stopped.checkpoint_path)))
    with pytest.raises(ValueError, match="checkpoint"):
        Checkpoint(stopped.checkpoint_path).restore(learner)
    for a, b in zip(before, learner.get_weights(), strict=True):  # nothing has been taken from it
        np.testing.assert_array_equal(a, b)


def test_checkpoints_that_are_no_archives(stopped, tmp_path, capsys):
    path, learner = stopped.checkpoint_path, Built.of(stopped.recipe)
    content = arrays(path)
    np.save(tmp_path / "plain.npy", np.zeros(3))
    np.savez_compressed(tmp_path / "packed.npz", **content, bomb=np.zeros(10**6))
    np.savez(tmp_path / "objects.npz", state=np.array([print], dtype=object))
    with zipfile.ZipFile(tmp_path / "lying.npz", "w") as archive:
        archive.writestr("state.npy", b"\x93NUMPY\x01\x00")
    for wrong in (b"", b"PK\x03\x04", (tmp_path / "plain.npy").read_bytes()):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="Cannot read the checkpoint"):
            Checkpoint(path).restore(learner)
    for name in ("packed", "objects", "lying"):
        shutil.copyfile(tmp_path / f"{name}.npz", path)
        with pytest.raises(ValueError, match="Cannot read the checkpoint"):
            Checkpoint(path).restore(learner)
    refused(capsys, "train", "--resume", "--run", stopped.path)
    path.unlink()
    path.mkdir()
    refused(capsys, "train", "--resume", "--run", stopped.path)


@pytest.mark.parametrize(
    "content",
    [
        b"epoch,loss\n0," + b"9" * 200_000,
        b"epoch,loss\nx,1\n",
        b"\xff\xfe",
        b"epoch\ninf\n",
        b"a\n1\n",
    ],
)
def test_a_log_that_is_none(stopped, capsys, content):
    stopped.log_path.write_bytes(content)
    assert "log.csv" in refused(capsys, "report", stopped.path)


def test_a_log_that_cannot_be_gone_on_with(tmp_path):
    for content in ("epoch,loss\nx,1\n", "epoch,loss\n0," + "9" * 200_000):
        (tmp_path / "log.csv").write_text(content)
        with pytest.raises(ValueError, match="Cannot read"):
            cut_log(tmp_path / "log.csv", 1)


def test_results_that_are_none(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    run = Run(tmp_path / "run")
    right = json.loads(run.result_path.read_text())
    wrong = ({}, [], {**right, "accuracy": "1"}, {**right, "manifest": 1}, {**right, "episodes": 0})
    for result in wrong:
        run.result_path.write_text(json.dumps(result))
        assert "is not the result of a run" in refused(
            capsys, "train", "--resume", "--run", run.path
        )
    run.result_path.write_text(json.dumps(right))
    run.evaluations_path.write_text("1\n")
    assert "evaluations.jsonl" in refused(capsys, "report", run.path)


def test_a_folder_named_like_the_learner_is_no_learner(stopped, capsys):
    stopped.learner_path.mkdir()
    assert not stopped.finished
    assert "has not finished" in refused(capsys, "evaluate", stopped.path)
    with pytest.raises(ValueError, match="has not finished"):
        kmeta.load(stopped.path)
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        kmeta.load(stopped.learner_path)


def test_weights_that_are_not_finite_are_not_saved_though_the_loss_is(pictures, tmp_path):
    recipe = small(pictures)
    learner = make_learner(recipe)
    learner.build((16, 16, 1))
    learner.compile(optimizer=make_optimizer(recipe))
    learner.optimizer.build(learner.trainable_variables)
    checkpoint = Checkpoint(tmp_path / "c.npz")
    checkpoint.set_model(learner)
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {"loss": 1.0})
    before = (tmp_path / "c.npz").read_bytes()
    learner.variables[0].assign(learner.variables[0] * np.inf)
    with pytest.raises(FloatingPointError, match="is not finite after epoch 2.*before is kept"):
        checkpoint.on_epoch_end(1, {"loss": 1.0})
    assert (tmp_path / "c.npz").read_bytes() == before


def test_weights_of_a_file_that_are_not_finite(pictures, tmp_path, monkeypatch):
    learner = make_learner(small(pictures))
    learner.build((16, 16, 1))
    learner.variables[0].assign(learner.variables[0] * np.inf)
    monkeypatch.setattr(finite, "not_finite", lambda _: None)  # as another program may save it
    learner.save(tmp_path / "x.keras")
    with pytest.raises(ValueError, match="Cannot load .* is not finite"):
        kmeta.load(tmp_path / "x.keras")


def test_only_one_process_trains_in_a_folder(stopped, capsys, pictures, tmp_path):
    before = stopped.log_path.read_bytes()
    with locked(stopped.path):
        error = refused(capsys, "train", "--resume", "--run", stopped.path)
        assert "Another process is training in" in error
        (tmp_path / "new").mkdir()
        with locked(tmp_path / "new"), pytest.raises(BlockingIOError, match="Another process"):
            train(small(pictures), tmp_path / "new", verbose=0)
    assert stopped.log_path.read_bytes() == before
    assert main(["train", "--resume", "--run", str(stopped.path)]) == 0
    assert stopped.log["epoch"] == [0, 1]


@pytest.mark.slow
@pytest.mark.parametrize("file", ["config.json", "checkpoint.npz", "log.csv", "result.json"])
def test_any_change_of_a_byte_is_refused_or_harmless(finished, tmp_path, file):
    rng = random.Random(f"damaged {file}")
    learner = Built.of(Run(finished).recipe)
    run = Run(tmp_path)
    whole = (finished / file).read_bytes()
    readers = {
        "config.json": lambda: run.recipe,
        "checkpoint.npz": lambda: Checkpoint(run.checkpoint_path).restore(learner),
        "log.csv": lambda: (run.log, cut_log(run.log_path, 1)),
        "result.json": lambda: run.result,
    }
    refusals = 0
    for _ in range(500):
        (tmp_path / file).write_bytes(damaged(whole, rng))
        try:
            readers[file]()
        except (ValueError, OSError):
            refusals += 1
        for value in learner.get_weights():
            assert np.isfinite(value).all()
    assert refusals > 50


def damaged(whole, rng):
    """Bytes with a few changed, a piece cut out or doubled, or numbers replaced."""
    content, place = bytearray(whole), rng.randrange(len(whole))
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(len(content))] = rng.randrange(256)
    elif kind == 1:
        del content[place : place + rng.randint(1, len(whole))]
    elif kind == 2:
        content[place:place] = content[place : place + rng.randint(1, 200)]
    else:
        pieces = [b"null", b"-1", b"1e999", b"[]", b"{}", b'"x"', b"[" * 5000, b"true", b"9" * 400]
        digits = [i for i, c in enumerate(content) if chr(c).isdigit()] or [place]
        at = rng.choice(digits)
        content[at : at + 1] = rng.choice(pieces)
    return bytes(content)
