"""`kmeta export --quantize`: its options, and the pictures it calibrates and scores with."""

from pathlib import Path

import numpy as np

from kmeta.cli.options import add_data_options, add_task_options
from kmeta.cli.parsing import GIVEN_ONLY, add_switch, given, points, seed
from kmeta.edge.numbers import count
from kmeta.recipes.changes import DATA_OPTIONS
from kmeta.recipes.recipe import Tasks

CALIBRATION_TASKS = 50  # of one support picture and one query of each class
TASKS = {"shot": 1, "query": 5, "steps": 300, "seed": 0}
FEW, QUERIES = 200, 500  # pictures of a user's own, and queries to score with
OWN = ("split", "query", "episodes", "seed", "way", "shot", "rotations", "max_drop", "reduce_range")


def add_options(parser):
    """Add the options to the parser of `kmeta export`."""
    group = parser.add_argument_group(
        "8-bit integers",
        "The ONNX files become a third in size. Pictures show the range of every activation; "
        "then the files of both kinds are scored on the same tasks. Of each class of the "
        "pictures, every other one is for the first and the rest for the second.",
    )
    group.add_argument(
        "--quantize",
        choices=("int8",),
        default=GIVEN_ONLY,
        help="for metric learners; needs --data",
    )
    add_data_options(group)
    group.add_argument(
        "--split",
        default=GIVEN_ONLY,
        metavar="NAME",
        help="part of the data (default: test; of a folder without one, all)",
    )
    add_task_options(group)
    for flag, kind, text in (
        ("--query", count, f"query pictures of a class (default: {TASKS['query']})"),
        ("--episodes", count, f"tasks to score with (default: {TASKS['steps']})"),
        ("--seed", seed, f"of the tasks (default: {TASKS['seed']})"),
    ):
        group.add_argument(flag, type=kind, default=GIVEN_ONLY, metavar="N", help=text)
    group.add_argument(
        "--max-drop",
        type=points,
        default=GIVEN_ONLY,
        metavar="POINTS",
        help="percentage points of accuracy that may be lost; after more there is no bundle "
        "(default: 1)",
    )
    add_switch(
        group,
        "--reduce-range",
        help="weights in 7 bits, for processors without VNNI (default: where this one has none, "
        "or that is not known)",
    )


def check(arguments):
    """Raise ValueError or FileNotFoundError unless the options go together."""
    import kmeta.data
    from kmeta.runs.data import is_folder

    if not hasattr(arguments, "quantize"):
        names = ("data", "data_dir", *DATA_OPTIONS, *OWN)
        for name in names:
            if getattr(arguments, name, None) is not None:
                raise ValueError(f"--{name.replace('_', '-')} goes with --quantize int8")
    elif not hasattr(arguments, "data"):
        raise ValueError("--quantize needs --data: pictures to calibrate and score with")
    elif is_folder(arguments.data):
        kmeta.data.from_directory(arguments.data, size=1)  # errors before TensorFlow loads


def settings(arguments, image_shape):
    """The `kmeta.exporting.Int8` of the options, None without `--quantize`."""
    if not hasattr(arguments, "quantize"):
        return None
    from kmeta.exporting import Int8
    from kmeta.runs.data import check_room, make_episodes

    options = given(arguments, ("way", "shot", "query", "seed"))
    options["steps"] = getattr(arguments, "episodes", TASKS["steps"])
    rotations = getattr(arguments, "rotations", False)
    episodes = []
    for half, (name, fixed) in zip(
        halves(_pictures(arguments, image_shape)),
        (
            ("calibration", {"shot": 1, "query": 1, "steps": CALIBRATION_TASKS}),
            ("scored", {}),
        ),
        strict=True,
    ):
        way = {"way": min(5, len(half.class_names))}
        tasks = Tasks(name, tasks_per_step=1, **{**TASKS, **way, **options, **fixed})
        check_room(half, tasks, rotations)
        episodes.append(make_episodes(half, tasks, rotations))
    return Int8(*episodes, **given(arguments, ("max_drop", "reduce_range")))


def of_pictures(folder, classifier):
    """The `kmeta.exporting.Int8` of a `FewShotClassifier`, by the pictures that it learned from.

    Ranges and scores are of some 200 of them at most, each class has as many as the others.
    """
    from kmeta.data import Dataset
    from kmeta.data.files import FileTree
    from kmeta.data.pictures import picture
    from kmeta.exporting import Int8
    from kmeta.runs.data import make_episodes

    names = classifier.class_names
    each = max(2, min(int(classifier.counts.min()), FEW // len(names)))
    numbers = np.concatenate([classifier.pictures_of_class(name)[:each] for name in names])
    with FileTree(folder) as tree:
        images = [
            picture(tree.read(classifier.files[i]), classifier.image_shape, classifier.crop)
            for i in numbers
        ]
    pixels = np.round(255 * np.stack(images)).astype("uint8")
    dataset = Dataset(pixels, np.repeat(np.arange(len(names)), each), names, "the pictures")
    way = min(len(names), 20)
    tasks = {"way": way, "tasks_per_step": 1, "seed": TASKS["seed"]}
    seen = Tasks("calibration", shot=1, query=1, steps=-(-FEW // (2 * way)), **tasks)
    scored = Tasks("scored", shot=each - 1, query=1, steps=-(-QUERIES // way), **tasks)
    return Int8(*(make_episodes(dataset, found, False) for found in (seen, scored)))


def check_counts(counts):
    """Raise ValueError unless every class has pictures to learn from and one to score with."""
    alone = next((name for name, count in counts.items() if count < 2), None)
    if alone is not None:
        raise ValueError(
            f"--quantize needs two or more pictures of each class. Received: one of {alone!r}"
        )


def _pictures(arguments, image_shape):
    from kmeta.runs.data import has_split, is_folder, load_split

    options, split = {}, "test"
    if is_folder(arguments.data):
        options = {"size": image_shape[:2], "channels": image_shape[2]}
        split = "test" if has_split(Path(arguments.data), "test") else "all"
    options.update(given(arguments, DATA_OPTIONS))
    split = getattr(arguments, "split", split)
    return load_split(arguments.data, split, arguments.data_dir, options)


def halves(dataset):
    """Two data sets of the same classes, each with every other picture of a class.

    Raises ValueError where a class has only one.
    """
    from kmeta.data import Dataset

    if dataset.counts.min() < 2:
        raise ValueError(
            "--quantize needs two or more pictures of each class, to calibrate with some and score "
            f"with others. Received: one of {dataset.class_names[dataset.counts.argmin()]!r} in "
            f"{dataset.name}"
        )
    ranks = np.concatenate([np.arange(count) for count in dataset.counts])
    order = np.argsort(dataset.labels, kind="stable")
    return [
        Dataset(
            dataset.images[order[ranks % 2 == part]],
            dataset.labels[order[ranks % 2 == part]],
            dataset.class_names,
            f"{dataset.name}, half {part + 1}",
        )
        for part in (0, 1)
    ]
