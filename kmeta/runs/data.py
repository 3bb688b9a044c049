"""The data of a run: named sets, and folders of pictures divided by class. Needs no Keras."""

import difflib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

import kmeta.data
from kmeta.data import SOURCES
from kmeta.data.sampler import Sampler
from kmeta.recipes.learners import LEARNERS

SPLITS = ("train", "val", "test")
HELD_OUT = 0.2


def load_split(data, split, data_dir=None, options=None):
    """Return the `Dataset` of one split.

    data: name for `kmeta.data.load`, or a folder of pictures with one sub-folder a class, or with
        sub-folders "train", "val" and "test" of such.
    split: of the named set. Of a folder, and of a set of TensorFlow Datasets, whose own splits
        divide images and not classes: "train", "val", "test" or "all". Where these are not
        sub-folders, a fifth of the classes is "val" and a fifth "test", the same ones every time.
    data_dir: where the files of a named set are.
    options: `{name: value}`, further arguments of the source; of a folder also `invert`, True to
        swap dark and light.

    Raises ValueError or FileNotFoundError where there are no such data.
    """
    options = options or {}
    if is_folder(data):
        return _folder_split(Path(data), split, **options)
    if data.startswith("tfds:"):
        return divided(kmeta.data.load(data, "train", data_dir, **options), split)
    if data not in SOURCES:
        near = difflib.get_close_matches(data.lower(), SOURCES, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FileNotFoundError(
            f"There is no folder {data!r}, and no data set of that name.{hint} Sets are "
            f"{', '.join(SOURCES)} and tfds:NAME"
        )
    return kmeta.data.load(data, split, data_dir, **options)


def is_folder(data):
    """Whether `data` is a folder or archive of pictures rather than a name; a name wins."""
    return not data.startswith("tfds:") and data not in SOURCES and Path(data).exists()


def has_split(folder, split):
    """Whether a folder of pictures is divided by sub-folders, and has this one."""
    return split in SPLITS and Path(folder, split).is_dir()


def load_data(recipe, data_dir=None):
    """Return `{split: Dataset}` of a recipe, large enough for its tasks.

    Raises as `load_split`, and ValueError where there are too few classes or images, or where a
    class is trained on and held out at once.
    """
    data = {}
    for tasks in parts(recipe):
        if tasks.split not in data:
            data[tasks.split] = load_split(recipe.data, tasks.split, data_dir, recipe.data_options)
        check_room(data[tasks.split], tasks, recipe.turned(tasks))
    _check_apart(data[recipe.train.split], [data[tasks.split] for tasks in parts(recipe)[1:]])
    return data


def parts(recipe):
    """Return the training, validation (where there is one) and test `Tasks` of a recipe."""
    return [tasks for tasks in (recipe.train, recipe.val, recipe.test) if tasks is not None]


def check_room(dataset, tasks, rotations):
    """Raise ValueError, naming the data, unless `Tasks` can be drawn from them."""
    options = {name: getattr(tasks, name) for name in ("way", "shot", "query", "seed")}
    try:
        Sampler(dataset.labels, rotations=rotations, class_names=dataset.class_names, **options)
    except ValueError as error:
        raise ValueError(f"{tasks.split} tasks from {dataset.name}: {error}") from error


def _check_apart(trained, held_out):
    for dataset in held_out:
        common = sorted(set(trained.class_names) & set(dataset.class_names))
        if common:
            raise ValueError(
                "Classes of validation and test must not be trained on. "
                f"Received: {common[0]!r} in both {trained.name} and {dataset.name}"
            )


def make_episodes(dataset, tasks, rotations, labels=None, distortions=False):
    """Return the `kmeta.Episodes` that `Tasks` describe.

    labels: see `sequence_labels`; if not None, return `kmeta.data.SequenceEpisodes` with such.
    """
    options = {**asdict(tasks), "rotations": rotations, "distortions": distortions}
    del options["split"]
    if labels is None:
        return kmeta.data.Episodes(dataset, **options)
    del options["query"]
    options["instances"] = options.pop("shot")
    return kmeta.data.SequenceEpisodes(dataset, labels=labels, **options)


def sequence_labels(recipe):
    """Return the kind of labels in the sequences of a recipe; None where it has no sequences."""
    if LEARNERS[recipe.learner].sequences:
        return recipe.learner_options.get("labels", "one_hot")
    return None


def make_training_data(dataset, recipe):
    """Return the `kmeta.Episodes`, or the pairs, that a recipe trains on."""
    if recipe.pairs is None:
        labels = sequence_labels(recipe)
        return make_episodes(dataset, recipe.train, recipe.rotations, labels, recipe.distortions)
    from kmeta.data.pairs import VerificationPairs

    train = {"steps": recipe.train.steps, "seed": recipe.train.seed, "rotations": recipe.rotations}
    return VerificationPairs(dataset, **train, **recipe.pairs)


def _folder_split(path, split, invert=False, **options):
    for name in options:
        if name not in ("size", "channels"):
            raise ValueError(
                f"Options of a folder are size, channels and invert. Received: {name!r}"
            )
    if has_split(path, split):
        dataset = kmeta.data.from_directory(path / split, **options)
        dataset = replace(dataset, name=f"{path.name}-{split}")
    else:
        dataset = divided(kmeta.data.from_directory(path, **options), split)
    return replace(dataset, images=255 - dataset.images) if invert else dataset


def divided(dataset, split):
    """Return the part of a `Dataset` with the classes of a split, "all" for the whole of it."""
    if split == "all":
        return dataset
    if split not in SPLITS:
        raise ValueError(
            f"Splits of {dataset.name} are train, val, test and all. Received: {split!r}"
        )
    classes = len(dataset.class_names)
    size = max(2, round(HELD_OUT * classes))
    if classes < 3 * size:
        raise ValueError(
            f"{dataset.name} must have at least 6 classes, to be divided into train, val and "
            f"test. Received: {classes}"
        )
    order = np.argsort(np.random.default_rng(0).random(classes), kind="stable").tolist()
    parts = {"val": order[:size], "test": order[size : 2 * size], "train": order[2 * size :]}
    return dataset.subset(parts[split], name=f"{dataset.name}-{split}")
