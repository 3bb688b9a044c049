"""Train a recipe into a folder, and go on after an interruption as if there had been none."""

import contextlib
import dataclasses
import functools
import math
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import keras

from kmeta.evaluation.score import evaluate
from kmeta.ops import differentiation
from kmeta.placing import replaced
from kmeta.recipes.recipe import Recipe
from kmeta.runs.building import make_learner, ready
from kmeta.runs.checkpoint import Checkpoint
from kmeta.runs.cluster import WorkerLostError, is_chief
from kmeta.runs.data import make_episodes, make_training_data, sequence_labels
from kmeta.runs.folder import locked, write_json
from kmeta.runs.log import EpochLine, cut_log
from kmeta.runs.machines import machine, versions
from kmeta.runs.preparing import prepare


def train(
    recipe: Recipe,
    path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    verbose: int | str = "auto",
    distribute: str | None = None,
) -> dict[str, Any] | None:
    """Train a recipe in the folder `path` and score it on its test episodes.

    A run that was stopped, by whatever means, is continued by `resume=True` from the end of the
    last whole epoch. On a CPU it then ends with the very weights of an uninterrupted run.

    Args:
        recipe: `kmeta.recipes.Recipe`.
        path: folder of the run, see `kmeta.runs.Run`; new or empty unless `resume`.
        data_dir: where the recipe's data are; of a resumed run None means where they were.
        resume: continue the run in `path`. A finished one is left as it is.
        verbose: 0 for nothing, "auto" for progress bars on a terminal and lines elsewhere.
        distribute: "mirrored" trains on all graphics cards of this machine, "multi-worker" in all
            processes that the variable TF_CONFIG names, each called alike and with the same folder.
            They end with the weights of one process, to the rounding of sums: batch normalisation
            of a step's images is by those of all replicas, moving averages are averaged. The
            chief alone writes, validates and tests. Call it before TensorFlow has computed
            anything. Not for Reptile.

    Returns:
        What `result.json` holds: accuracy, its 95 % interval, what was scored, and more. None in
        processes of "multi-worker" that are not the chief.

    Raises:
        FileExistsError: if there is something in `path` and `resume` is False.
        FileNotFoundError: if there is no run in `path` and `resume` is True.
        ValueError: if the run there is one of another recipe or of other data, or is damaged, or
            the replicas of `distribute` cannot train it.
        kmeta.runs.cluster.WorkerLostError: if another process of the training is gone. Start all
            again with `resume=True`.
        BlockingIOError: if another process is training in `path`.
        FloatingPointError: if the loss or a weight is no finite number any more.

    >>> tasks = dict(way=2, shot=1, query=2, tasks_per_step=1, steps=2)
    >>> recipe = kmeta.recipes.Recipe(
    ...     data="glyphs", network={"filters": 4}, epochs=1, val=None,
    ...     train=kmeta.recipes.Tasks("val", **tasks), test=kmeta.recipes.Tasks("test", **tasks),
    ... )
    >>> result = train(recipe, "run", verbose=0)
    >>> result["episodes"], result["bn_mode"], result["manifest"]["dataset"]
    (2, 'running', 'glyphs-test')
    """
    prepared = prepare(recipe, path, data_dir, resume, is_chief(distribute))
    return train_prepared(prepared, verbose, distribute)


def train_prepared(prepared, verbose="auto", distribute=None):
    """Train what `kmeta.runs.preparing.prepare` returned; see `train`."""
    run, new, recipe, data_dir, data = prepared
    if data is None:  # a run that has finished
        return run.result
    if recipe.intra_op_threads:  # otherwise what the caller has set stays
        differentiation.set_intra_op_threads(recipe.intra_op_threads)
    replicas = distribute and _replicas(distribute, recipe, data)
    learner = make_learner(recipe)  # before anything is written: it may refuse its options
    if replicas and not replicas.chief:
        replicas.help(learner, data[recipe.train.split])
        return None
    run.path.mkdir(parents=True, exist_ok=True)
    with locked(run.path):
        if new:
            run.check_new()  # another process may have been quicker
        result = _train(run, recipe, learner, data_dir, data, verbose, replicas)
    if replicas:
        with contextlib.suppress(WorkerLostError):  # all is written
            replicas.wait()
    return result


def _replicas(distribute, recipe, data):
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Argument `distribute` needs Keras' backend tensorflow. "
            f"Received: distribute={distribute!r} on {keras.backend.backend()}"
        )
    from kmeta.runs.distributed import Replicas

    return Replicas(distribute, recipe, data)


def _train(run, recipe, learner, data_dir, data, verbose, replicas=None):
    """Train the learner from where the run stands to its end; return its result."""
    _configure(run, recipe, data_dir, data)
    train_on = make_training_data(data[recipe.train.split], recipe)
    labels = sequence_labels(recipe)
    validate_on, test_on = (
        tasks and make_episodes(data[tasks.split], tasks, recipe.turned(tasks), labels)
        for tasks in (recipe.val, recipe.test)
    )

    ready(learner, recipe, train_on.dataset.images.shape[1:])
    checkpoint = Checkpoint(run.checkpoint_path)
    checkpoint.restore(learner)
    bars = verbose == "auto" and sys.stdout.isatty()
    lines = [EpochLine(recipe.epochs)] if verbose and not bars else []
    fit = functools.partial(replicas.fit, learner) if replicas else learner.fit
    train_on.epoch = checkpoint.epochs_done
    cut_log(run.log_path, checkpoint.epochs_done)
    going_on = checkpoint.epochs_done < recipe.epochs
    if going_on:
        _note_machine(run)
    if replicas or going_on:  # replicas wait for the chief
        _fit(run, recipe, fit, train_on, validate_on, checkpoint, lines, int(bars))

    checkpoint.use_best(learner)
    score = evaluate(learner, test_on, verbose=int(bars))
    with replaced(run.learner_path) as temporary:
        learner.save(temporary)
    result = {
        "recipe": recipe.name,
        **score_record(score),
        "epochs": checkpoint.epochs_done,
        "best_epoch": checkpoint.best_epoch,
        "val_accuracy": checkpoint.best_accuracy,
        "seconds": round(checkpoint.seconds, 1),
        "target": recipe.target,
        "source": recipe.source,
        "versions": versions(),
    }
    write_json(run.result_path, result)
    return result


def score_record(score):
    """Return a `kmeta.evaluation.score.Score` as JSON values."""
    record = dataclasses.asdict(score)
    if not math.isfinite(score.interval):
        record["interval"] = None
    return record


def _fit(run, recipe, fit, train_on, validate_on, checkpoint, lines, verbose):
    fit(
        train_on,
        validation_data=validate_on,
        validation_freq=recipe.val_every,
        initial_epoch=checkpoint.epochs_done,
        epochs=recipe.epochs,
        verbose=verbose,
        callbacks=[
            keras.callbacks.CSVLogger(run.log_path, append=True),
            *tensorboard(run.tensorboard_path),
            *lines,
            checkpoint,  # last: what it has saved, the others have written
        ],
    )


def tensorboard(path):
    """Callbacks that write curves for TensorBoard: none without TensorFlow, which writes them."""
    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(path, write_graph=False)]


def _configure(run, recipe, data_dir, data):
    """Write `config.json`, or see that the data are still those it names."""
    image_shape = data[recipe.train.split].images.shape[1:]
    data = {split: dataset.sha256 for split, dataset in data.items()}
    if not run.exists:
        config = {
            "recipe": recipe.to_dict(),
            "data_dir": None if data_dir is None else str(Path(data_dir).resolve()),
            "data_sha256": data,
            "image_shape": list(image_shape),
            "machines": [machine()],
        }
        write_json(run.config_path, config)
        return
    if run.config["data_sha256"] != data:
        raise ValueError(f"Cannot resume {run.path}: its data have changed since it was started")


def _note_machine(run):
    """Add this machine to those in `config.json`, if the last one there is another."""
    config, here = run.config, machine()
    before = config["machines"][-1] if config["machines"] else here
    if {**before, "hardware": here["hardware"]} != here:
        warnings.warn(
            f"Resuming {run.path} under other library versions than it was trained with, so that "
            f"weights may differ in the last digits: {before}, now {here}",
            stacklevel=4,
        )
    if before != here:
        write_json(run.config_path, {**config, "machines": [*config["machines"], here]})
