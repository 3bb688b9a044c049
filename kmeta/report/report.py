"""`write_report`: a run as one self-contained HTML page."""

import os
import warnings
from pathlib import Path

from kmeta import plots
from kmeta.placing import replaced
from kmeta.report import tables
from kmeta.report.page import document, picture, section, table, tag
from kmeta.runs.data import check_room, load_split
from kmeta.runs.folder import Run


def write_report(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = True,
) -> Path:
    """Write one HTML page on a run; it needs no other file and no network.

    Settings, result with interval, training curves, hashes of data and tasks, versions; of a
    finished run also a test task with the learner's answers and the pictures that suit the learner.
    For these its data are needed: where they are absent or have changed, the page says so and a
    warning is given.

    Args:
        path: folder of the run, see `kmeta.runs.Run`. It need not have finished.
        out: the file to write, whole or not at all. Default: `report.html` in the run's folder.
        data_dir: where the data are. Default: where they were in training.
        overwrite: whether `out` may replace a file that is there.

    Returns:
        The path of the page, as `pathlib.Path`.

    Raises:
        FileExistsError: where there is a file that may not be replaced.
        FileNotFoundError: where there is no run.
        ValueError: where a file of the run is damaged.

    >>> tasks = dict(way=2, shot=1, query=2, tasks_per_step=1, steps=2)
    >>> recipe = kmeta.recipes.Recipe(
    ...     data="glyphs", network={"filters": 4}, epochs=1, val=None,
    ...     train=kmeta.recipes.Tasks("val", **tasks), test=kmeta.recipes.Tasks("test", **tasks),
    ... )
    >>> result = kmeta.runs.train(recipe, "run", verbose=0)
    >>> write_report("run")
    PosixPath('run/report.html')
    """
    run = Run(path)
    out = run.report_path if out is None else out
    config, recipe, log = run.config, run.recipe, run.log
    result = run.result if run.finished else None
    parts = [tables.head(run, recipe, result)]
    if result is not None:
        parts.append(tables.result_table(result))
    if result is not None and result.get("instances"):
        parts.append(_instances(result))
    if log:
        parts.append(_training(log, result))
    if result is not None:
        parts += _pictures(run, recipe, config, data_dir)
    if run.evaluations:
        parts.append(tables.evaluations_table(run.evaluations))
    parts += [tables.settings_table(recipe), tables.identity_table(config, result)]
    page = document(f"{recipe.name}: {run.path.name}", tag("main", *parts))
    with replaced(out, overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(out)


def _training(log, result):
    best = result and result["best_epoch"]
    chart = plots.draw_training(log, best_epoch=best)
    caption = "Loss and accuracy, epoch by epoch"
    return section("Training", picture(chart, caption, caption))


def _instances(result):
    instances = [(accuracy, interval or 0.0) for accuracy, interval in result["instances"]]
    rows = [(number, tables.percent(*pair)) for number, pair in enumerate(result["instances"], 1)]
    chart = plots.draw_instances(instances, chance=1 / result["manifest"]["way"])
    caption = "Accuracy at the first, second, ... instance of a class, with its 95 % interval"
    return section(
        "Instances", picture(chart, caption, caption), table(rows, ("instance", "accuracy"))
    )


def _pictures(run, recipe, config, data_dir):
    """Sections of pictures, or one that says why there are none."""
    try:
        dataset = _test_data(recipe, config, data_dir)
    except (FileNotFoundError, ValueError) as error:
        warnings.warn(f"No pictures of tasks, as there are no data: {error}", stacklevel=3)
        return [section("A test task", tag("p", f"The data are absent: {error}", class_="note"))]
    from kmeta.report.pictures import picture_sections
    from kmeta.runs.loading import load

    return picture_sections(load(run.path), recipe, dataset)


def _test_data(recipe, config, data_dir):
    split = recipe.test.split
    data_dir = data_dir or config["data_dir"]
    dataset = load_split(recipe.data, split, data_dir, recipe.data_options)
    if dataset.sha256 != config["data_sha256"][split]:
        raise ValueError(f"{dataset.name} has changed since the run was started")
    check_room(dataset, recipe.test, recipe.turned(recipe.test))
    return dataset
