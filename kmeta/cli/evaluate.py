"""`kmeta evaluate`: score the learner of a run."""

import json
from dataclasses import replace

from kmeta.cli import benchmark
from kmeta.cli.folders import score_bundle
from kmeta.cli.options import add_data_options, add_learner_options, add_task_options
from kmeta.cli.parsing import GIVEN_ONLY, given, seed
from kmeta.cli.quiet import import_keras
from kmeta.cli.train import absolute, outcome
from kmeta.edge.numbers import count
from kmeta.recipes.changes import DATA_OPTIONS, with_episodes
from kmeta.recipes.learners import LEARNERS


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "evaluate",
        help="score the learner of a run on test tasks",
        description="Score the learner of a finished run: mean accuracy over tasks, with its 95 % "
        "interval. What is not given is as in the run's own test. The result is printed, and "
        "appended to evaluations.jsonl in the run's folder with all that identifies the tasks.",
    )
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="folder of a finished run, or of a bundle"
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="with a bundle: labelled pictures that it did not learn from, one sub-folder a class",
    )
    parser.add_argument(
        "--benchmark",
        choices=benchmark.BENCHMARKS,
        help="the 20 official one-shot runs of Omniglot (all_runs.zip) instead of random tasks; "
        "the score is the mean error",
    )
    parser.add_argument(
        "--baseline",
        choices=benchmark.BASELINES,
        help="with --benchmark: its own baseline, which is 38.75 %% error, instead of RUN",
    )
    parser.add_argument(
        "--split",
        default=GIVEN_ONLY,
        metavar="NAME",
        help="train, val, test or another that the data set has; all for all classes of a folder, "
        "which is the default for another folder than that of the run",
    )
    add_data_options(parser)
    add_task_options(parser)
    for flag, kind, text in (
        ("--query", count, "query pictures of a class"),
        ("--episodes", count, "test tasks"),
        ("--seed", seed, "of the tasks"),
    ):
        parser.add_argument(flag, type=kind, default=GIVEN_ONLY, metavar="N", help=text)
    add_learner_options(parser, ("bn_mode",), nargs="+", metavar="MODE")
    return parser


def run(arguments):
    """Run the command."""
    if arguments.benchmark is not None:
        benchmark.run(arguments)
        return
    if arguments.baseline is not None:
        raise ValueError("--baseline goes with --benchmark")
    if arguments.run is None:
        raise ValueError("RUN is needed: the folder of a finished run")
    if arguments.folder is not None:
        score_bundle(arguments.run, arguments.folder)
        return
    _evaluate(arguments)


def _evaluate(arguments):
    from kmeta.runs.data import check_room, load_split, make_episodes, sequence_labels
    from kmeta.runs.folder import Run

    run_folder = Run(arguments.run)
    run_folder.check_finished()
    image_shape = tuple(run_folder.config["image_shape"])
    recipe, tasks = resolve(arguments, run_folder.recipe, image_shape)
    data_dir = arguments.data_dir or run_folder.config["data_dir"]
    dataset = load_split(recipe.data, tasks.split, data_dir, recipe.data_options)
    check_room(dataset, tasks, recipe.rotations)
    if dataset.images.shape[1:] != image_shape:
        raise ValueError(
            f"The learner takes pictures of {image_shape} (height, width, channels). "
            f"Received: {dataset.images.shape[1:]} from {dataset.name}; see --size and --channels"
        )
    import_keras()
    from kmeta.evaluation.score import evaluate
    from kmeta.runs.loading import load
    from kmeta.runs.machines import versions
    from kmeta.runs.training import score_record

    learner = load(run_folder.path)
    episodes = make_episodes(dataset, tasks, recipe.rotations, sequence_labels(recipe))
    for bn_mode in dict.fromkeys(getattr(arguments, "bn_mode", [learner.bn_mode])):
        scored = learner if bn_mode == learner.bn_mode else learner.with_options(bn_mode=bn_mode)
        record = {**score_record(evaluate(scored, episodes, verbose=0)), "versions": versions()}
        print(outcome(record), flush=True)
        with open(run_folder.evaluations_path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def resolve(arguments, recipe, image_shape):
    """Return recipe and test `Tasks`, with what the arguments change."""
    from kmeta.runs.data import has_split, is_folder

    if LEARNERS[recipe.learner].sequences and hasattr(arguments, "query"):
        raise ValueError(f"{recipe.learner} reads sequences, without queries; leave out --query")
    tasks = replace(recipe.test, **given(arguments, ("split", "way", "shot", "query", "seed")))
    if hasattr(arguments, "episodes"):
        tasks = with_episodes(tasks, arguments.episodes)
    data = absolute(getattr(arguments, "data", recipe.data))
    data_options = recipe.data_options if data == recipe.data else {}
    if is_folder(data):
        data_options = {"size": image_shape[:2], "channels": image_shape[2], **data_options}
    if data != recipe.data and not hasattr(arguments, "split"):
        whole = is_folder(data) and not has_split(data, "test")
        tasks = replace(tasks, split="all" if whole else "test")
    data_options = {**data_options, **given(arguments, DATA_OPTIONS)}
    rotations = getattr(arguments, "rotations", recipe.turned(recipe.test))
    return replace(recipe, data=data, data_options=data_options, rotations=rotations), tasks
