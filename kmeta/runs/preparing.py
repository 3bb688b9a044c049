"""What a training begins with, checked and loaded before Keras is."""

from typing import NamedTuple

from kmeta.data.dataset import Dataset
from kmeta.recipes.recipe import Recipe
from kmeta.runs.data import load_data
from kmeta.runs.folder import Run


class Prepared(NamedTuple):
    """A training that can begin.

    run: the folder. new: whether nothing has been trained there. recipe: the settings. data_dir:
    where the data are, None for nowhere of its own. data: `{split: Dataset}`, None of a run that
    has finished.
    """

    run: Run
    new: bool
    recipe: Recipe
    data_dir: str | None
    data: dict[str, Dataset] | None


def prepare(recipe, path, data_dir=None, resume=False, chief=True):
    """Return what a training of `recipe` in the folder `path` begins with.

    chief: whether this process begins the run, if it is new; another may then have done so.
    Args, Raises: see `kmeta.runs.train`. A resumed run finds its data where they were.
    """
    run = Run(path)
    if not resume:
        if chief:
            run.check_new()
        return Prepared(run, True, recipe, data_dir, load_data(recipe, data_dir))
    run.check_resumes(recipe)
    data_dir = data_dir or run.config["data_dir"]
    data = None if run.result_path.is_file() else load_data(recipe, data_dir)
    return Prepared(run, False, recipe, data_dir, data)
