"""The numbers of a run as tables."""

import json
import math

from kmeta.recipes.recipe import flat
from kmeta.report.page import joined, section, table, tag

EVALUATION = ("accuracy", "episodes", "data", "way", "shot", "seed", "bn_mode", "tasks")


def percent(share, interval=None):
    """Return "97.56 % ± 0.24"."""
    if interval is None or math.isnan(interval):
        return f"{100 * share:.2f} %"
    return f"{100 * share:.2f} % ± {100 * interval:.2f}"


def head(run, recipe, result):
    """Return title and score, or how far an unfinished run is."""
    title = tag("h1", f"{recipe.learner} on {recipe.data}")
    name = tag("p", "Recipe ", tag("code", recipe.name), ", run ", tag("code", run.path))
    if result is None:
        done = len(run.log.get("epoch", ()))
        state = f"Not finished: {done} of {recipe.epochs} epochs. "
        command = tag("code", f"kmeta train --resume --run {run.path}")
        return joined(
            [title, name, tag("p", state, class_="score"), tag("p", "Continue with ", command)]
        )
    where = " at the last instance of a class" if result.get("instances") else ""
    score = percent(result["accuracy"], result["interval"])
    facts = (
        f"95 % interval over {result['episodes']} test tasks of {result['manifest']['dataset']}, "
        f"bn_mode {result['bn_mode']}"
    )
    return joined(
        [title, name, tag("p", f"Accuracy{where} {score}", class_="score"), tag("p", facts)]
    )


def result_table(result):
    """Return the section of a result."""
    rows = [
        ("accuracy", percent(result["accuracy"], result["interval"])),
        ("test tasks", result["episodes"]),
        ("bn_mode", result["bn_mode"]),
        ("epochs", result["epochs"]),
        ("seconds of training", result["seconds"]),
    ]
    if result["best_epoch"] is not None:
        rows.append(("weights kept", f"those of epoch {result['best_epoch']}"))
        rows.append(("validation accuracy then", percent(result["val_accuracy"])))
    if result["target"] is not None:
        rows.append(("published", f"{percent(result['target'])} ({result['source']})"))
    return section("Result", table(rows))


def evaluations_table(evaluations):
    """Return the section of the evaluations after the end of the run."""
    rows, errors = [], []
    for number, record in enumerate(evaluations, 1):
        if "benchmark" in record:
            error = percent(record["error"], record["interval"])
            errors.append(tag("p", f"{number}: error in {record['benchmark']}: {error}"))
            continue
        made = record["manifest"]
        score = percent(record["accuracy"], record["interval"])
        rows.append(
            (number, score, record["episodes"], made["dataset"], made["way"], made["shot"])
            + (made["seed"], record["bn_mode"], made["episodes_sha256"][:12])
        )
    tables = [table(rows, ("", *EVALUATION))] if rows else []
    return section("Later evaluations", *tables, *errors)


def settings_table(recipe):
    """Return the section of all settings of a recipe."""
    rows = [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, value in flat(recipe.to_dict()).items()
    ]
    return section("Settings", table(rows))


def identity_table(config, result):
    """Return the section of what identifies data, tasks and software."""
    rows = [(f"data, {split}", tag("code", sha)) for split, sha in config["data_sha256"].items()]
    if result is not None:
        rows.append(("test tasks", tag("code", result["manifest"]["episodes_sha256"])))
    rows.append(("image shape", " x ".join(map(str, config["image_shape"]))))
    rows.append(("data folder", config["data_dir"] or "none"))
    first = config["machines"][0] if config["machines"] else {}
    versions = table([*first.items()], caption="Versions and hardware at the start of the run")
    return section("Data, tasks, versions", table(rows, caption="Hashes are SHA-256"), versions)
