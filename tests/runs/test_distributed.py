"""Training by several processes and devices: weights of one, what is refused, what a loss is."""

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from processes import ended, free_ports

from kmeta.cli import train as train_command
from kmeta.cli.main import main, make_parser
from kmeta.recipes import Recipe, Tasks
from kmeta.runs import Run, train
from kmeta.runs.cluster import WorkerLostError, check, is_chief
from kmeta.runs.joining import joined, losses_told

SCRIPT = Path(__file__).with_name("train_together.py")
MAML = {"learner": "maml", "learner_options": {"bn_mode": "batch"}}
MATCHING = {"learner": "matching", "learner_options": {"full_context": True, "read_steps": 2}}
PAIRS = {"learner": "siamese", "pairs": {"batch_size": 8}}
MANN = {"learner": "mann", "learner_options": {"standardize": True}, "clip_norm": 0.05}


def small(pictures, **changes):
    """A recipe by plain gradient descent: Adam makes large steps of differences in rounding."""
    shots = {"shot": 4, "query": 0} if changes.get("learner") == "mann" else {"query": 2}
    shots["way"] = 2
    recipe = Recipe(
        data=str(pictures),
        network={"filters": 3, "downsampling": "stride"},
        train=Tasks("train", tasks_per_step=4, steps=2, **shots),
        val=Tasks("val", tasks_per_step=2, steps=2, seed=1, **shots),
        test=Tasks("test", tasks_per_step=2, steps=2, seed=2, **shots),
        epochs=2,
        optimizer="sgd",
        learning_rate=0.05,
    )
    return replace(recipe, **changes)


def started(recipe, path, cluster=None, index=0, **options):
    """A process that trains: one of a cluster, or by itself on two devices."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    options["distribute"] = "multi-worker" if cluster else "mirrored"
    options["floatx"] = keras.config.floatx()
    if cluster:
        task = {"type": "worker", "index": index}
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": task})
    arguments = [json.dumps(part) for part in (recipe.to_dict(), str(path), options)]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pair(recipe, path, **options):
    """Two processes that train together."""
    cluster = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [started(recipe, path, cluster, index, **options) for index in range(2)]


def results(*processes):
    """What the processes printed last."""
    return [json.loads(printed.splitlines()[-1]) for printed in ended(*processes)]


@pytest.fixture
def in_double_precision():
    """In single precision a ReLU near 0 may go either way, and weights then differ by 1e-5."""
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)  # which another test may have set
        if dtype == "float64":
            yield


def assert_same_training(path, other, atol=1e-9):
    """Equal weights, statistics and optimizer, and an equal log but for rounding."""
    with np.load(path / "checkpoint.npz") as ours, np.load(other / "checkpoint.npz") as theirs:
        assert ours.files == theirs.files
        names = [name for name in ours.files if name.startswith(("learner", "optimizer"))]
        for name in names:
            np.testing.assert_allclose(ours[name], theirs[name], atol=atol, err_msg=name)
    logs = []
    for folder in (path, other):
        with open(folder / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        logs.append([(int(row["epoch"]), float(row["loss"])) for row in rows])
    np.testing.assert_allclose(*logs, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("in_double_precision")
def test_two_processes_end_with_the_weights_of_one(pictures, tmp_path):
    recipe = small(pictures)
    processes = pair(recipe, tmp_path / "together")
    train(recipe, tmp_path / "alone", verbose=0)
    result, none = results(*processes)
    assert_same_training(tmp_path / "together", tmp_path / "alone")
    assert none is None
    alone, together = (
        {p.name for p in (tmp_path / name).iterdir()} for name in ("alone", "together")
    )
    assert alone == together
    assert (
        result["manifest"]
        == json.loads((tmp_path / "alone" / "result.json").read_text())["manifest"]
    )


@pytest.mark.slow
@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize("changes", [MAML, MATCHING, PAIRS, MANN], ids=lambda c: c["learner"])
@pytest.mark.parametrize("how", ["processes", "devices"])
def test_other_learners_by_two(pictures, tmp_path, changes, how):
    recipe = small(pictures, **changes)
    together = tmp_path / "together"
    processes = pair(recipe, together) if how == "processes" else [started(recipe, together)]
    train(recipe, tmp_path / "alone", verbose=0)
    results(*processes)
    assert_same_training(together, tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_after_a_loss_all_end_and_a_restart_loses_nothing(pictures, tmp_path, lost):
    recipe = small(pictures, epochs=6, train=Tasks("train", way=3, query=2, steps=100), val=None)
    results(*pair(recipe, tmp_path / "whole"))
    processes = pair(recipe, tmp_path / "broken")
    log = tmp_path / "broken" / "log.csv"
    while not (log.exists() and log.read_text().count("\n") > 2):  # two epochs and the header
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)
    processes[lost].send_signal(signal.SIGKILL)
    _, errors = processes[1 - lost].communicate(timeout=120)
    assert processes[1 - lost].returncode != 0
    assert errors.splitlines()[-1].startswith("kmeta.runs.cluster.WorkerLostError: A process")
    assert not (tmp_path / "broken" / "result.json").exists()
    processes[lost].communicate()
    results(*pair(recipe, tmp_path / "broken", resume=True))
    assert_same_training(tmp_path / "broken", tmp_path / "whole", atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "`tasks_per_step` must be a multiple of the number of replicas, 3.*tasks_per_step=4"),
        (PAIRS, "`batch_size` must be a multiple of the number of replicas, 3.*batch_size=8"),
        ({"learner": "reptile", "train": Tasks("train", tasks_per_step=3)}, "None for reptile"),
    ],
)
def test_what_replicas_cannot_train_is_refused(pictures, changes, message):
    with pytest.raises(ValueError, match=message):
        check(small(pictures, **changes), 3)


def test_the_chief_is_the_one_that_tf_config_names(monkeypatch):
    def chief(cluster, kind, index):
        config = {"cluster": cluster, "task": {"type": kind, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        return is_chief("multi-worker")

    workers = {"worker": ["a:1", "b:1"]}
    assert [chief(workers, "worker", index) for index in (0, 1)] == [True, False]
    led = {"chief": ["c:1"], **workers}
    assert [chief(led, *task) for task in (("chief", 0), ("worker", 0))] == [True, False]
    for wrong in (("worker", 2), ("worker", "0"), ("ps", 0), ("chief", 0), (None, None)):
        with pytest.raises(ValueError, match="needs the variable TF_CONFIG, such as"):
            chief(workers, *wrong)
    for text in ("", "{", "[]", '{"cluster": {"worker": "a:1"}}'):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(ValueError, match="needs the variable TF_CONFIG, such as"):
            is_chief("multi-worker")
    assert is_chief(None) and is_chief("mirrored")
    with pytest.raises(ValueError, match="`distribute` must be one of"):
        is_chief("everywhere")


def test_a_lost_process_is_one_line_and_an_exit_code_of_its_own(tmp_path, monkeypatch, capsys):
    def lose(*_, **__):
        with losses_told():
            raise tf.errors.UnavailableError(None, None, "Connection reset\nby peer")

    with pytest.raises(WorkerLostError, match="again with --resume"):
        lose()
    monkeypatch.setattr(train_command, "train_and_report", lose)
    command = [
        "train",
        "--learner",
        "prototypical",
        "--data",
        "glyphs",
        "--run",
        str(tmp_path / "r"),
    ]
    assert main(command) == 75
    error = capsys.readouterr().err
    assert error.startswith("kmeta train: error: A process of the training is gone")
    assert error.count("\n") == 1


def test_waiting_for_others_can_be_interrupted_and_a_used_port_is_told(monkeypatch):
    def begin():
        seen.append(signal.getsignal(signal.SIGINT))
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    seen, before = [], signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", begin)
    with pytest.raises(OSError, match="Could not start gRPC server.*port in TF_CONFIG in use"):
        joined("multi-worker")
    assert seen == [signal.SIG_DFL]
    assert signal.getsignal(signal.SIGINT) == before


def test_without_tf_config_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    command = ["train", "--learner", "maml", "--data", "glyphs", "--run", str(tmp_path / "r")]
    assert main([*command, "--distribute", "multi-worker"]) == 2
    error = capsys.readouterr().err
    assert "needs the variable TF_CONFIG" in error and error.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_the_manifest_for_kubernetes_starts_what_the_command_line_reads(monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "training.kubernetes.yaml").read_text()
    (config,) = re.findall("value: '(.+)'", text)
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", config.replace("$(INDEX)", str(index)))
        assert is_chief("multi-worker") == (index == 0)
    (command,) = re.findall(r'exec kmeta (.+) "\$@"', text)
    arguments = make_parser().parse_args(shlex.split(command))
    recipe = train_command.resolve(arguments, Run(arguments.run))
    assert arguments.distribute == "multi-worker"
    check(recipe, 2)
