"""A published training, made again: trained, scored in all its settings, and kept small.

What `results/NAME/` holds is enough to score the learner again, on the very same tasks.
"""

import hashlib
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

from kmeta import weights
from kmeta.evaluation.one_shot_runs import omniglot_one_shot
from kmeta.evaluation.score import evaluate
from kmeta.placing import replaced
from kmeta.recipes.recipe import Recipe, Tasks
from kmeta.recipes.reproductions import ONE_SHOT_RUNS, Setting
from kmeta.runs.building import make_learner, ready
from kmeta.runs.checkpoint import Checkpoint
from kmeta.runs.data import load_split, make_episodes, sequence_labels
from kmeta.runs.folder import Run, check_loadable, write_json
from kmeta.runs.loading import load
from kmeta.runs.log import cut_log
from kmeta.runs.machines import machine
from kmeta.runs.results_table import label, read_result, shown
from kmeta.runs.training import score_record, train

FEW = 100  # tasks of a quick check
SCORES = ("accuracy", "interval", "instances", "errors", "manifest", "runs_sha256")


class Result:
    """The folder of a reproduced training.

    - `result.json`: recipe, steps, hours, machines, versions, hashes, and all scores;
    - `log.csv`: one line an epoch;
    - `learner.keras`: the learner without its optimizer, unless it comes with the package;
    - `run/`: of a training that has not ended, all that continues it.

    path: of the folder, which need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.result_path = self.path / "result.json"
        self.log_path = self.path / "log.csv"
        self.learner_path = self.path / "learner.keras"
        self.run = Run(self.path / "run")

    def read(self):
        """Return what `result.json` holds.

        Raises FileNotFoundError where there is none, and ValueError where it is damaged.
        """
        if not self.result_path.is_file():
            raise FileNotFoundError(f"There is no result in {self.path} (no result.json)")
        return read_result(self.result_path)

    def learner(self, record):
        """Return the learner that was scored; raises ValueError unless it is that very one."""
        packaged = record["packaged"]
        path = weights.path(packaged) if packaged else self.learner_path
        check_loadable(path)
        if sha256(path) != record["learner_sha256"]:
            raise ValueError(f"{path} is not the learner that was scored: it has changed")
        return load(path)


def reproduce(reproduction, run_path, result_path, data_dir=None, unfinished=False, verbose="auto"):
    """Train by a recipe, or go on with that, score the learner in all settings, and keep it.

    Args:
        reproduction: `kmeta.recipes.reproductions.Reproduction`.
        run_path: folder of the run. One that was started there by this recipe is continued; a
            finished one is only scored. Where there is none, the one that an unfinished result
            keeps is copied there and continued.
        result_path: folder to write, see `Result`; an older result there is replaced.
        data_dir: where the data are.
        unfinished: do not train; score the run with the steps it has made. The run's folder is
            only read, so that another process may go on with it.
        verbose: 0 for nothing.

    Returns:
        What `result.json` holds.

    Raises:
        ValueError: if the run there is one of another recipe or of other data, or `unfinished` is
            True and no epoch has ended.
        FileNotFoundError: if `unfinished` is True and there is no run, or there are no data.
    """
    run, result = Run(run_path), Result(result_path)
    if reproduction.packaged:
        learner, made = _packaged(reproduction)
        return _scored(reproduction, learner, made, None, result, data_dir, verbose)
    if run.exists or unfinished:
        run.check_resumes(reproduction.recipe)
    else:
        run.check_new()
    if not unfinished:
        if not run.exists and result.run.exists:
            copy_state(result.run, run)
        train(reproduction.recipe, run.path, data_dir, resume=run.exists, verbose=verbose)
    with tempfile.TemporaryDirectory() as folder:  # the run may go on meanwhile
        state = Run(folder)
        copy_state(run, state)
        learner, made = _so_far(state, reproduction.recipe)
        return _scored(reproduction, learner, made, state, result, data_dir, verbose)


def copy_state(run, other):
    """Copy what continues a run to the folder of another `Run`, without the place of its data."""
    other.path.mkdir(parents=True, exist_ok=True)
    if run.checkpoint_path.is_file():
        shutil.copyfile(run.checkpoint_path, other.checkpoint_path)
    if run.log_path.is_file():
        shutil.copyfile(run.log_path, other.log_path)
    write_json(other.config_path, {**run.config, "data_dir": None})


def _scored(reproduction, learner, made, state, result, data_dir, verbose):
    """Score a learner in all settings, write the result, and return it."""
    recipe = made.pop("recipe")
    scores = []
    for setting in reproduction.settings:
        scores.append(score(learner, setting, recipe, data_dir))
        if verbose:
            print(f"{label(scores[-1])}: {shown(scores[-1])}", flush=True)
    result.path.mkdir(parents=True, exist_ok=True)
    if not reproduction.packaged:
        with replaced(result.learner_path) as temporary:
            learner.save(temporary)
        made["learner_sha256"] = sha256(result.learner_path)
        shutil.copyfile(state.log_path, result.log_path)
        cut_log(result.log_path, made["epochs"])
        _keep_state(state, result, made)
    record = {
        "name": reproduction.name,
        "seed_of": reproduction.seed_of,
        "recipe": recipe.to_dict(),
        **made,
        "scored_on": machine(),
        "scores": scores,
    }
    write_json(result.result_path, record)
    return record


def check(result_path, data_dir=None, quick=False, settings=None, verbose="auto"):
    """Score a kept learner again, on the very tasks of its result.

    Args:
        result_path: folder of a result, see `Result`.
        data_dir: where the data are.
        quick: only the first 100 tasks of each setting, whose score is kept too.
        settings: how many of the settings, from the first on; None for all.
        verbose: 0 for nothing.

    Returns:
        `[(setting, kept score, score now)]` of the scores that differ by as much as a digit.

    Raises:
        FileNotFoundError: if there is no such result, or there are no data.
        ValueError: if the result is damaged, or its learner is another one.
    """
    result = Result(result_path)
    record = result.read()
    learner = result.learner(record)
    recipe = Recipe.from_dict(record["recipe"])
    different = []
    for kept in record["scores"][:settings]:
        part = kept["first"] if quick and kept["first"] else kept
        setting = Setting(part["tasks"] and Tasks(**part["tasks"]), kept["options"])
        again = score_tasks(learner, setting, recipe, data_dir)
        if verbose:
            print(f"{label(kept)}: {shown(again)}", flush=True)
        if any(part.get(name) != again.get(name) for name in SCORES):
            different.append((label(kept), shown(part), shown(again)))
    return different


def score(learner, setting, recipe, data_dir):
    """Return the record of one setting: its score, and that of its first tasks as `"first"`."""
    record = score_tasks(learner, setting, recipe, data_dir)
    record["published"] = _published(setting.published)
    record["first"] = None
    if setting.tasks is not None:
        steps = min(setting.tasks.steps, -(-FEW // setting.tasks.tasks_per_step))
        few = Setting(Tasks(**{**asdict(setting.tasks), "steps": steps}), setting.options)
        record["first"] = score_tasks(learner, few, recipe, data_dir)
    return record


def score_tasks(learner, setting, recipe, data_dir):
    """Return the score of one setting as JSON values, with what was scored."""
    learner = learner.with_options(**setting.options)
    record = {"tasks": setting.tasks and asdict(setting.tasks), "options": setting.options}
    if setting.tasks is None:
        result = omniglot_one_shot(learner, data_dir, antialias=bool(antialias(recipe)))
        errors = {"error": result.error, "interval": result.interval, "errors": list(result.errors)}
        found = {"bn_mode": result.bn_mode, "runs_sha256": result.runs_sha256}
        return {**record, "benchmark": ONE_SHOT_RUNS, **errors, **found}
    dataset = load_split(recipe.data, setting.tasks.split, data_dir, recipe.data_options)
    turned = recipe.turned(recipe.test)
    episodes = make_episodes(dataset, setting.tasks, turned, sequence_labels(recipe))
    found = score_record(evaluate(learner, episodes, verbose=0))
    if found["instances"]:
        found["instances"] = [list(pair) for pair in found["instances"]]
    return {**record, **found}


def antialias(recipe):
    """How the drawings of a recipe's training were made small; see `kmeta.data.load`."""
    return recipe.data_options.get("antialias", False)


def sha256(path):
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _keep_state(state, result, made):
    """Keep what continues an unfinished training; of a finished one, nothing any more."""
    if made["steps"]["made"] < made["steps"]["of"]:
        copy_state(state, result.run)
        return
    for path in (result.run.checkpoint_path, result.run.log_path, result.run.config_path):
        path.unlink(missing_ok=True)
    if result.run.path.is_dir() and not any(result.run.path.iterdir()):
        result.run.path.rmdir()


def _so_far(run, recipe):
    """The learner of a run by its checkpoint, without optimizer, and what has been made of it."""
    learner = ready(make_learner(recipe), recipe, tuple(run.config["image_shape"]))
    checkpoint = Checkpoint(run.checkpoint_path)
    checkpoint.restore(learner)
    if not checkpoint.epochs_done:
        raise ValueError("No epoch of the run has ended: there is nothing to score yet")
    checkpoint.use_best(learner)
    made = {
        "recipe": recipe,
        "packaged": None,
        "epochs": checkpoint.epochs_done,
        "best_epoch": checkpoint.best_epoch,
        "steps": {
            "made": checkpoint.epochs_done * recipe.train.steps,
            "of": recipe.epochs * recipe.train.steps,
        },
        "hours": round(checkpoint.seconds / 3600, 2),
        "machines": run.config["machines"],
        "data_sha256": run.config["data_sha256"],
    }
    return learner.with_options(), made


def _packaged(reproduction):
    """The same of a learner that comes with the package."""
    name = reproduction.recipe.name
    about = weights.about(name)
    recipe = Recipe.from_dict(about["recipe"])
    steps = about["result"]["epochs"] * recipe.train.steps
    made = {
        "recipe": recipe,
        "packaged": name,
        "epochs": about["result"]["epochs"],
        "best_epoch": None,
        "steps": {"made": steps, "of": recipe.epochs * recipe.train.steps},
        "hours": round(about["result"]["seconds"] / 3600, 2),
        "machines": [],
        "data_sha256": {recipe.test.split: about["result"]["manifest"]["data_sha256"]},
        "learner_sha256": about["sha256"],
    }
    return load(name), made


def _published(published):
    if isinstance(published, dict):
        return {str(instance): accuracy for instance, accuracy in published.items()}
    return published
