"""Runs: their folder, their continuation bit by bit, and what they refuse."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import keras
import numpy as np
import pytest

import kmeta
from kmeta.recipes import Recipe, Tasks
from kmeta.runs import Run, train
from kmeta.runs.building import make_optimizer
from kmeta.runs.checkpoint import Checkpoint
from kmeta.runs.data import load_data, make_episodes, make_training_data
from kmeta.runs.folder import replaced
from kmeta.runs.log import cut_log

NETWORK = {"filters": 3, "downsampling": "stride"}


def small(pictures, **changes):
    """A recipe that trains in a second."""
    recipe = Recipe(
        data=str(pictures),
        network=NETWORK,
        train=Tasks("train", way=3, query=2, tasks_per_step=2, steps=3),
        val=Tasks("val", way=2, query=3, tasks_per_step=2, steps=2, seed=1),
        test=Tasks("test", way=2, query=3, tasks_per_step=2, steps=5, seed=2),
        epochs=3,
        halve_every=4,
    )
    return replace(recipe, **changes)


def weights(path):
    return [np.array(value) for value in kmeta.load(path).variables]


def assert_same_weights(one, other):
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)


def logged_epochs(path):
    with open(path / "log.csv", newline="") as file:
        return [int(row["epoch"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def finished(pictures, tmp_path_factory):
    """A finished run. Tests read it and do not change it."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    train(small(pictures), path, verbose=0)
    return path


def test_a_run_on_pairs(pictures, tmp_path):
    recipe = small(pictures, learner="siamese", epochs=2)
    on_pairs = replace(recipe, pairs={"batch_size": 5, "distortions": True}, rotations=True)
    assert train(on_pairs, tmp_path / "pairs", verbose=0)["epochs"] == 2
    assert isinstance(kmeta.load(tmp_path / "pairs"), kmeta.SiameseNetwork)
    data = make_training_data(load_data(recipe)["train"], on_pairs)
    assert isinstance(data, kmeta.data.VerificationPairs)
    assert (data.tasks_per_step, data.steps, data.seed) == (5, 3, on_pairs.train.seed)
    assert data.distortions and data.rotations and not data.within_groups
    assert isinstance(make_training_data(data.dataset, recipe), kmeta.Episodes)


@pytest.mark.slow
def test_the_test_may_be_without_rotations(pictures, tmp_path):
    recipe = small(pictures, rotations=True, test_rotations=False, epochs=1)
    result = train(recipe, tmp_path / "run", verbose=0)
    assert result["manifest"]["rotations"] is False
    assert recipe.turned(recipe.train) and recipe.turned(recipe.val)
    again = Recipe.from_dict(recipe.to_dict())
    assert not again.turned(again.test)


def test_a_run_holds_what_it_promises(finished, pictures):
    found = {entry.name for entry in finished.iterdir()}
    assert found == {
        *("config.json", "log.csv", "tensorboard", "checkpoint.npz"),
        *("learner.keras", "result.json"),
    }
    assert logged_epochs(finished) == [0, 1, 2]
    assert list((finished / "tensorboard").rglob("events*"))
    config = json.loads((finished / "config.json").read_text())
    assert Recipe.from_dict(config["recipe"]) == small(pictures)
    (machine,) = config["machines"]
    assert set(machine) == {"kmeta", "python", "keras", "tensorflow", "numpy", "hardware"}
    assert set(config["data_sha256"]) == {"train", "val", "test"}


def test_the_result_is_the_score_on_the_test_tasks(finished, pictures):
    result = json.loads((finished / "result.json").read_text())
    recipe = small(pictures)
    test_on = make_episodes(load_data(recipe)["test"], recipe.test, recipe.turned(recipe.test))
    score = kmeta.evaluate(kmeta.load(finished), test_on, verbose=0)
    assert result["manifest"] == score.manifest
    assert (result["accuracy"], result["interval"]) == (score.accuracy, score.interval)
    assert (result["epochs"], result["episodes"], result["bn_mode"]) == (3, 10, "running")


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(tmp_path, pictures):
    recipe = small(
        pictures, train=Tasks("train", way=3, query=2, tasks_per_step=2, steps=40), epochs=3
    )
    train(recipe, tmp_path / "whole", verbose=0)
    code = (
        "import sys; from kmeta.recipes import Recipe; from kmeta.runs import train; import json;"
        "train(Recipe.from_dict(json.loads(sys.argv[1])), sys.argv[2])"
    )
    arguments = [json.dumps(recipe.to_dict()), str(tmp_path / "killed")]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
    for line in process.stdout:
        if line.startswith(b"epoch 2/3"):
            break
    time.sleep(0.1)  # into the third epoch
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with pytest.raises(ValueError, match="has not finished. Continue it with: kmeta train"):
        kmeta.load(tmp_path / "killed")

    result = train(recipe, tmp_path / "killed", resume=True, verbose=0)
    assert logged_epochs(tmp_path / "killed") == [0, 1, 2]
    assert_same_weights(tmp_path / "killed", tmp_path / "whole")
    whole = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert {**result, "seconds": 0} == {**whole, "seconds": 0}


class Stop(keras.callbacks.Callback):
    """Stands for a crash: raises at a given batch of a given epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.batch = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.at, self.batch):
            raise KeyboardInterrupt


def dropout_learner(pictures):
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(),
        ]
    )
    learner = kmeta.PrototypicalNetwork(network)
    learner.build((16, 16, 1))
    learner.compile(optimizer=make_optimizer(small(pictures)), jit_compile=False)
    learner.optimizer.build(learner.trainable_variables)
    return learner


def test_checkpoints_continue_dropout_statistics_rates_and_best_weights(tmp_path, pictures):
    dataset = kmeta.data.from_directory(pictures)

    def episodes():
        return kmeta.Episodes(dataset, way=3, query=2, steps=3)

    def fit(path, crash=None):
        learner, checkpoint, train_on = dropout_learner(pictures), Checkpoint(path), episodes()
        checkpoint.restore(learner)
        train_on.epoch = checkpoint.epochs_done
        callbacks = [checkpoint] if crash is None else [checkpoint, crash]
        learner.fit(
            train_on,
            validation_data=episodes(),
            initial_epoch=checkpoint.epochs_done,
            epochs=5,
            verbose=0,
            callbacks=callbacks,
        )
        return learner, checkpoint

    whole, kept = fit(tmp_path / "whole.npz")
    for crash in (Stop(2, 1), Stop(3, 0)):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "broken.npz", crash)
    broken, again = fit(tmp_path / "broken.npz")
    assert int(whole.optimizer.iterations) == int(broken.optimizer.iterations) == 15
    assert float(broken.optimizer.learning_rate) == pytest.approx(1e-3 * 0.5**3)
    for a, b in zip(whole.variables, broken.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (again.best_accuracy, again.best_epoch) == (kept.best_accuracy, kept.best_epoch)
    kept.use_best(whole)
    again.use_best(broken)
    for a, b in zip(whole.variables, broken.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_weights_of_the_best_epoch_win(tmp_path, pictures):
    learner = dropout_learner(pictures)
    checkpoint = Checkpoint(tmp_path / "c.npz")
    checkpoint.set_model(learner)
    for epoch, accuracy in enumerate([0.5, 0.9, None, 0.9, 0.7]):
        learner.network.layers[2].bias.assign([float(epoch)] * 4)
        checkpoint.on_epoch_begin(epoch)
        logs = {"loss": 1.0} if accuracy is None else {"loss": 1.0, "val_accuracy": accuracy}
        checkpoint.on_epoch_end(epoch, logs)
    checkpoint.use_best(learner)
    np.testing.assert_array_equal(learner.network.layers[2].bias, [1.0] * 4)
    assert checkpoint.best_epoch == 2


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(tmp_path, pictures):
    checkpoint = Checkpoint(tmp_path / "c.npz")
    checkpoint.set_model(dropout_learner(pictures))
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {"loss": 1.0})
    before = (tmp_path / "c.npz").read_bytes()
    with pytest.raises(FloatingPointError, match="loss is nan in epoch 2.*lower learning rate"):
        checkpoint.on_epoch_end(1, {"loss": float("nan")})
    assert (tmp_path / "c.npz").read_bytes() == before


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        with replaced(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
    assert path.read_text() == "old"
    with replaced(path) as temporary:
        temporary.write_text("new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "new"


@pytest.mark.parametrize("rest", ["2,0.5,1.0\r\n", "2,0.", "2", ""])
def test_the_log_loses_the_lines_of_epochs_not_saved(tmp_path, rest):
    path = tmp_path / "log.csv"
    path.write_text("epoch,accuracy,loss\r\n0,0.1,3.0\r\n1,0.2,2.0\r\n" + rest, newline="")
    cut_log(path, 2)
    assert path.read_text().split() == ["epoch,accuracy,loss", "0,0.1,3.0", "1,0.2,2.0"]
    cut_log(path, 0)
    assert not path.exists()
    cut_log(path, 0)


def test_a_folder_in_use_is_refused(finished, pictures, tmp_path):
    with pytest.raises(FileExistsError, match="a run in .* already. Continue it with --resume"):
        train(small(pictures), finished)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileExistsError, match="exists and is not an empty folder"):
        train(small(pictures), tmp_path)
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        train(small(pictures), tmp_path / "none", resume=True)


def test_resuming_a_finished_run_returns_its_result(finished, pictures):
    stamp = (finished / "checkpoint.npz").stat().st_mtime_ns
    result = train(small(pictures), finished, resume=True, verbose=0)
    assert result == json.loads((finished / "result.json").read_text())
    assert (finished / "checkpoint.npz").stat().st_mtime_ns == stamp


def test_resuming_another_recipe_says_what_differs(finished, pictures):
    other = small(pictures, learning_rate=0.1, train=Tasks("train", way=4, query=2, steps=3))
    with pytest.raises(ValueError, match=r"learning_rate is 0.001 in the run and 0.1 now") as error:
        train(other, finished, resume=True)
    assert "train.way is 3 in the run and 4 now" in str(error.value)
    assert "train.query" not in str(error.value)


def test_resuming_with_other_data_is_refused(finished, pictures, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    config = json.loads((finished / "config.json").read_text())
    config["data_sha256"]["val"] = "0" * 64
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="its data have changed since it was started"):
        train(small(pictures), path, resume=True)


@pytest.mark.slow
def test_resuming_under_other_versions_warns(finished, pictures, tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    config = json.loads((finished / "config.json").read_text())
    config["machines"][0]["keras"] = "3.0"
    (path / "config.json").write_text(json.dumps(config))
    with pytest.warns(UserWarning, match="other library versions"):
        train(small(pictures, epochs=3), path, resume=True, verbose=0)
    assert_same_weights(path, finished)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "Cannot read"), ("{}", "is not the configuration of a run")]
)
def test_a_damaged_configuration(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        Run(tmp_path).recipe  # noqa: B018


def test_a_damaged_checkpoint(tmp_path, pictures, finished):
    path = tmp_path / "c.npz"
    whole = (finished / "checkpoint.npz").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="Cannot read the checkpoint"):
        Checkpoint(path).restore(dropout_learner(pictures))
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="of a learner with other weights"):
        Checkpoint(path).restore(dropout_learner(pictures))


def test_load_knows_learners_and_classifiers(finished, pictures, tmp_path):
    learner = kmeta.load(str(finished))
    assert isinstance(learner, kmeta.PrototypicalNetwork)
    x = np.random.default_rng(0).random((2, 16, 16, 1), dtype=np.float32)
    classifier = learner.adapt(x, np.array(["b", "a"]))
    classifier.save(tmp_path / "classifier.keras")
    again = kmeta.load(tmp_path / "classifier.keras")
    assert again.class_names == ["a", "b"]
    np.testing.assert_array_equal(again.predict(x, verbose=0), classifier.predict(x, verbose=0))


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file or folder"):
        kmeta.load(tmp_path / "none.keras")
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        kmeta.load(tmp_path)
    (tmp_path / "x.h5").touch()
    with pytest.raises(ValueError, match="folder of a run, or a .keras file"):
        kmeta.load(tmp_path / "x.h5")
    (tmp_path / "x.keras").write_text("no archive")
    with pytest.raises(ValueError, match="Cannot load"):
        kmeta.load(tmp_path / "x.keras")


def test_another_bn_mode_gives_other_predictions_from_the_same_weights(finished):
    learner = kmeta.load(finished)
    other = learner.with_options(bn_mode="batch")
    rng = np.random.default_rng(0)
    x, query_x = rng.random((2, 1, 4, 16, 16, 1), dtype=np.float32)
    episode = kmeta.Episode(kmeta.Support(x, np.eye(4, dtype="float32")[None]), query_x)
    assert other.bn_mode == "batch"
    assert np.abs(np.array(other(episode)) - np.array(learner(episode))).max() > 1e-3
    with pytest.raises(ValueError, match="bn_mode"):
        learner.with_options(bn_mode="sideways")
