"""`kmeta demo`: all of it once, in a few minutes and without a download."""

import itertools
import time
from dataclasses import replace
from pathlib import Path

from kmeta.cli.episodes import draw
from kmeta.cli.parsing import count
from kmeta.cli.quiet import import_keras
from kmeta.cli.train import train_and_report
from kmeta.recipes import get

FOLDER = "kmeta-demo"


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "demo",
        help="train, evaluate, adapt and export, in a few minutes",
        description="Train a Prototypical Network on glyphs, invented characters that the library "
        "draws itself; score it on characters of scripts it has never seen; adapt it to five of "
        "them from one drawing each; export the classifier as SavedModel and ONNX.",
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
    from kmeta.runs.data import load_data
    from kmeta.runs.folder import Run

    started = time.monotonic()
    recipe = get("demo-glyphs")
    if arguments.epochs is not None:
        recipe = replace(recipe, epochs=arguments.epochs)
    folder = Path(arguments.out) if arguments.out else free_folder()
    run_folder = Run(folder / "run")
    run_folder.check_new()
    print("Drawing glyphs ...", flush=True)
    data = load_data(recipe)
    train_and_report(recipe, run_folder, None, data)
    show(folder, recipe, data["test"])
    print(f"Done in {time.monotonic() - started:.0f} s")


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
