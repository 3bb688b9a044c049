"""`kmeta demo`: all of it once, in a few minutes and without a download."""

import itertools
import time
from dataclasses import replace
from pathlib import Path

from PIL import Image

from kmeta.cli.episodes import draw
from kmeta.cli.quiet import import_keras
from kmeta.cli.train import train_and_report
from kmeta.edge.numbers import count
from kmeta.recipes import get

FOLDER = "kmeta-demo"
CLASSES, DRAWINGS = 10, 5  # in the folder of drawings


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "demo",
        help="train, evaluate, adapt and export, in a few minutes",
        description="Train a Prototypical Network on glyphs, invented characters that the library "
        "draws itself; score it on characters of scripts it has never seen; adapt it to five of "
        "them from one drawing each; export the classifier as SavedModel and ONNX. Leaves a folder "
        "of drawings, dark on white like scans, on which to try `kmeta fit`.",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"folder for all of it (default: {FOLDER}, or {FOLDER}-2 and so on)",
    )
    parser.add_argument(
        "--epochs", type=count, metavar="N", help="training epochs (default: those of demo-glyphs)"
    )
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.runs.preparing import prepare

    started = time.monotonic()
    recipe = get("demo-glyphs")
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    folder = Path(arguments.out) if arguments.out else free_folder()
    print("Drawing glyphs ...", flush=True)
    prepared = prepare(recipe, folder / "run")
    train_and_report(prepared)
    show(folder, recipe, prepared.data["test"])
    write_drawings(folder, prepared.data["test"])
    print(
        f"Done in {time.monotonic() - started:.0f} s. Your own pictures are next; try it on "
        f"{folder / 'drawings'}:\n"
        f"  kmeta fit {folder / 'drawings'} --out {folder / 'mine'} --calibrate\n"
        f"  kmeta predict {folder / 'mine'} {folder / 'new'}/*.png"
    )


def free_folder():
    """Return the first of kmeta-demo, kmeta-demo-2, ... that does not exist."""
    names = itertools.chain([FOLDER], (f"{FOLDER}-{number}" for number in itertools.count(2)))
    return next(Path(name) for name in names if not Path(name).exists())


def show(folder, recipe, dataset):
    """Adapt the trained learner to a test task, predict its queries, draw and export it."""
    import_keras()
    from kmeta.exporting import export
    from kmeta.runs.data import make_episodes
    from kmeta.runs.loading import load

    learner = load(folder / "run")
    episodes = make_episodes(dataset, replace(recipe.test, tasks_per_step=1, query=5), False)
    (support, query_x), query_y = episodes[0]
    names = list(episodes.class_names_of(0)[0])
    labels = support.y[0].argmax(axis=-1)
    classifier = learner.adapt(support.x[0], [names[label] for label in labels])
    truth = [classifier.class_names.index(names[label]) for label in query_y[0]]
    right = int((classifier.predict(query_x[0], verbose=0).argmax(axis=-1) == truth).sum())
    print(
        f"Adapted to {len(names)} new characters from one drawing each: {right} of {len(truth)} "
        "other drawings named right"
    )
    classifier.save(folder / "classifier.keras")
    print(f"Picture of this task: {draw(episodes, folder / 'episode.png')}")
    print(f"Classifier: {folder / 'classifier.keras'}")
    print(export(classifier, folder / "bundle", sample=support.x[0]))


def write_drawings(folder, dataset):
    """Write pictures as a scanner gives them: `drawings/<class>/` to learn, `new/` to be told.

    Of the new ones the last is of a character that is not among the drawings.
    """
    new = folder / "new"
    new.mkdir()
    for label in range(CLASSES):
        name = f"character{label + 1:02d}"
        place = folder / "drawings" / name
        place.mkdir(parents=True)
        first, *others = dataset.indices_of(label)[: DRAWINGS + 1]
        for number, index in enumerate(others, 1):
            _save(dataset.images[index], place / f"{number}.png")
        _save(dataset.images[first], new / f"{name}.png")
    _save(dataset.images[dataset.indices_of(CLASSES)[0]], new / "something-else.png")


def _save(image, path):
    Image.fromarray(255 - image[..., 0]).save(path)
