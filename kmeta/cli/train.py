"""`kmeta train`: train a recipe, or settings of one's own, into a folder."""

from pathlib import Path

from kmeta.cli.interrupts import interruptible
from kmeta.cli.options import (
    LEARNER_OPTIONS,
    add_data_options,
    add_learner_options,
    add_task_options,
)
from kmeta.cli.output import progress_bars
from kmeta.cli.parsing import GIVEN_ONLY, count_or_zero, given, seed
from kmeta.cli.quiet import import_keras
from kmeta.edge.numbers import count, positive
from kmeta.recipes import RECIPES, Recipe, get
from kmeta.recipes.changes import changed
from kmeta.recipes.learners import LEARNERS
from kmeta.runs.cluster import DISTRIBUTE, LOST, is_chief

OPTIONS = (
    *("learner", "data", "size", "channels", "invert", "rotations"),
    *("way", "shot", "query", "tasks_per_step", "steps", "test_way", "test_query", "episodes"),
    *("filters", "downsampling", "features", "epochs", "learning_rate", "halve_every"),
    *("val_every", "intra_op_threads", "seed", *LEARNER_OPTIONS),
)
EPILOG = """examples:
  kmeta train --recipe list
  kmeta train --recipe prototypical-omniglot-5way-1shot --data-dir data --run runs/omniglot
  kmeta train --learner maml --data glyphs --inner-steps 2 --run runs/maml
  kmeta train --resume --run runs/maml
"""


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "train",
        usage="kmeta train --run DIR (--recipe NAME | --learner NAME --data NAME | --resume) "
        "[options]",
        help="train a learner, or continue after an interruption",
        description="Train a learner on tasks drawn from a data set, validate it on other classes, "
        "and score it on classes it has never met. All goes to one folder, which `kmeta evaluate` "
        "and `kmeta adapt` take.",
        epilog=EPILOG,
    )
    parser.add_argument("--run", metavar="DIR", help="folder of the run, new or empty")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in the folder; the result is that of a run never interrupted",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        help='settings behind a published number ("list" shows them); other options change it',
    )
    parser.add_argument(
        "--learner",
        choices=tuple(LEARNERS),
        default=GIVEN_ONLY,
        metavar="NAME",
        help=f"instead of a recipe: {', '.join(LEARNERS)}",
    )
    add_data_options(parser.add_argument_group("data"))
    _add_tasks(parser.add_argument_group("tasks"))
    _add_network(parser.add_argument_group("network and learner"))
    _add_training(parser.add_argument_group("training"))
    return parser


def _add_tasks(group):
    add_task_options(group)
    _add_counts(
        group,
        query="query pictures of a class in training",
        tasks_per_step="tasks in a training step",
        test_way="classes in a validation or test task, where not as in training",
        test_query="query pictures of a class in validation and test",
        episodes="test tasks",
    )


def _add_network(group):
    _add_counts(group, filters="channels of each block of the Conv-4 network")
    group.add_argument(
        "--downsampling",
        choices=("pool", "stride"),
        default=GIVEN_ONLY,
        help="of the network's blocks",
    )
    group.add_argument(
        "--features",
        choices=("flatten", "mean"),
        default=GIVEN_ONLY,
        help="what the network makes of its last feature map",
    )
    add_learner_options(group)


def _add_training(group):
    _add_counts(group, epochs="epochs", steps="training steps in an epoch")
    group.add_argument(
        "--learning-rate", type=positive, default=GIVEN_ONLY, metavar="X", help="of Adam"
    )
    for name, text in (
        ("--halve-every", "halve the learning rate each N steps; 0 for never"),
        ("--val-every", "validate each N epochs and keep the best weights; 0 for never"),
    ):
        group.add_argument(name, type=count_or_zero, default=GIVEN_ONLY, metavar="N", help=text)
    group.add_argument(
        "--intra-op-threads",
        type=count_or_zero,
        default=GIVEN_ONLY,
        metavar="N",
        help="threads of one operation on the CPU; 0, the default, for all cores. 1 is faster "
        "where networks see few small pictures at once, as in maml, reptile and metanet; most "
        "recipes of published results have it",
    )
    group.add_argument(
        "--distribute",
        choices=DISTRIBUTE,
        help="train on all graphics cards of this machine (mirrored), or in all processes that the "
        "variable TF_CONFIG names, each started by the same command (multi-worker); with the "
        f"weights of one process. Where one is lost, the others end with exit code {LOST}",
    )
    group.add_argument(
        "--seed", type=seed, default=GIVEN_ONLY, metavar="N", help="of weights and training tasks"
    )


def _add_counts(group, **helps):
    for name, text in helps.items():
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, type=count, default=GIVEN_ONLY, metavar="N", help=text)


def run(arguments):
    """Run the command."""
    if arguments.recipe == "list":
        print(describe_recipes())
        return
    if arguments.run is None:
        raise ValueError("--run DIR is needed: the folder of the run")
    from kmeta.runs.folder import Run
    from kmeta.runs.preparing import prepare

    recipe = resolve(arguments, Run(arguments.run))
    distribute = arguments.distribute
    chief = is_chief(distribute)
    prepared = prepare(recipe, arguments.run, arguments.data_dir, arguments.resume, chief)
    train_and_report(prepared, distribute)


def train_and_report(prepared, distribute=None):
    """Train what `prepare` returned and print the outcome; after Ctrl-C, how to go on."""
    run_folder = prepared.run
    print(f"Training {summary(prepared.recipe)}\nin {run_folder.path}", flush=True)
    if distribute == "multi-worker":
        print("Waiting for all processes that TF_CONFIG names", flush=True)
    import_keras()
    from kmeta.runs.training import train_prepared

    try:
        with interruptible(), progress_bars():
            result = train_prepared(prepared, distribute=distribute)
    except KeyboardInterrupt:
        print(f"\nContinue with: kmeta train --resume --run {run_folder.path}")
        raise
    if result is None:  # the chief of the processes has it
        return None
    print(f"Test: {outcome(result)}")
    if result["target"] is not None:
        print(f"Published: {100 * result['target']:.1f} % ({result['source']})")
    print(f"Learner: {run_folder.learner_path}")
    return result


def resolve(arguments, run_folder):
    """Return the recipe that the arguments ask for."""
    options = given(arguments, OPTIONS)
    if "data" in options:
        options["data"] = absolute(options["data"])
    if arguments.recipe is not None:
        base = get(arguments.recipe)
        if options.get("learner", base.learner) != base.learner:
            raise ValueError(f"recipe {base.name} is one of {base.learner}; leave out --learner")
    elif arguments.resume:
        base = run_folder.recipe
    elif "learner" in options and "data" in options:
        base = Recipe()
    else:
        raise ValueError('choose --recipe NAME ("list" shows them), or --learner and --data')
    return changed(base, options)


def absolute(data):
    """Return a folder's absolute path, and the name of a set as it is."""
    from kmeta.runs.data import is_folder

    return str(Path(data).resolve()) if is_folder(data) else data


def summary(recipe):
    """Return one line on what is trained."""
    tasks = recipe.train
    kind = f"{tasks.way}-way {tasks.shot}-shot, tasks per step: {tasks.tasks_per_step}"
    if recipe.pairs is not None:
        kind = f"pairs, {', '.join(f'{name}: {value}' for name, value in recipe.pairs.items())}"
    return (
        f"{recipe.learner} on {recipe.data}: {kind}, steps per epoch: {tasks.steps}, "
        f"epochs: {recipe.epochs}"
    )


def outcome(result):
    """Return accuracy and interval of a result, as one line; of sequences, a line an instance."""
    interval = "unknown" if result["interval"] is None else f"{100 * result['interval']:.2f}"
    line = (
        f"{100 * result['accuracy']:.2f} % +- {interval} (95 % interval, {result['episodes']} "
        f"episodes of {result['manifest']['dataset']}, bn_mode={result['bn_mode']})"
    )
    if not result.get("instances"):
        return line
    rows = [
        f"  instance {number:2}: {100 * accuracy:6.2f} % +- {100 * interval:.2f}"
        for number, (accuracy, interval) in enumerate(result["instances"], 1)
    ]
    return "\n".join([f"at the last instance of a class {line}", *rows])


def describe_recipes():
    """Return the recipes as a table."""
    width = max(map(len, RECIPES))
    lines = []
    for recipe in RECIPES.values():
        published = f"{100 * recipe.target:.1f} % in {recipe.source}" if recipe.target else ""
        lines.append(f"{recipe.name:{width}}  {published}".rstrip())
    return "\n".join(lines)
