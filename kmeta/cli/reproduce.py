"""`kmeta reproduce`: a published training made again, scored, and checked."""

from pathlib import Path

from kmeta.cli.interrupts import interruptible
from kmeta.cli.output import progress_bars
from kmeta.cli.quiet import import_keras

EPILOG = """examples:
  kmeta reproduce list
  kmeta reproduce prototypical-omniglot-5way-1shot --data-dir data
  kmeta reproduce prototypical-omniglot-5way-1shot --check --data-dir data
  kmeta reproduce maml-omniglot-5way-1shot --run runs/maml --unfinished
"""


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "reproduce",
        usage="kmeta reproduce (NAME | all | list) [options]",
        help="train and score what papers published, or check a kept result",
        description="Train by a recipe, or go on where an earlier call was stopped; score the "
        "learner in all settings that the training allows; and write the result, the log and the "
        "learner to a folder named like the recipe. With --check the learner that is kept there "
        "is scored again on the same tasks, and must give the same figures to the digit. Hours.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "name", metavar="NAME", help='one of those that "list" shows, or "all" for one after other'
    )
    parser.add_argument(
        "--run",
        metavar="DIR",
        help="folder of the training, one of `kmeta train --recipe NAME` too (default: runs/NAME)",
    )
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="where results are (default: results)"
    )
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where the files of the data are (default: the folder named by KMETA_DATA)",
    )
    parser.add_argument(
        "--unfinished",
        action="store_true",
        help="do not train: score the run as far as it is; it may go on meanwhile",
    )
    parser.add_argument(
        "--check", action="store_true", help="score the kept learner again and compare"
    )
    parser.add_argument(
        "--quick", action="store_true", help="with --check: 100 tasks of each setting"
    )
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.recipes.reproductions import REPRODUCTIONS, get

    if arguments.quick and not arguments.check:
        raise ValueError("--quick goes with --check")
    if arguments.check and (arguments.unfinished or arguments.run is not None):
        raise ValueError("--check trains nothing; leave out --run and --unfinished")
    if arguments.name == "list":
        print(describe(arguments.results))
        return
    if arguments.name == "all":
        if arguments.run is not None:
            raise ValueError("--run is the folder of one training; leave it out with all")
        found = list(REPRODUCTIONS.values())
        if arguments.check:
            found = [one for one in found if Path(arguments.results, one.name).is_dir()]
    else:
        found = [get(arguments.name)]
    (_check if arguments.check else _reproduce)(found, arguments)


def _reproduce(reproductions, arguments):
    import_keras()
    from kmeta.runs.reproducing import reproduce

    for one in reproductions:
        folder = Path("runs", one.name) if arguments.run is None else Path(arguments.run)
        print(f"{one.name}: training in {folder}", flush=True)
        try:
            with interruptible(), progress_bars():
                reproduce(
                    one,
                    folder,
                    Path(arguments.results, one.name),
                    arguments.data_dir,
                    arguments.unfinished,
                )
        except KeyboardInterrupt:
            print("\nGo on with the same command")
            raise
        print(f"Result: {Path(arguments.results, one.name)}")


def _check(reproductions, arguments):
    import_keras()
    from kmeta.runs.reproducing import check

    if not reproductions:
        raise FileNotFoundError(f"There are no results in {arguments.results}")
    for one in reproductions:
        print(f"{one.name}:", flush=True)
        path = Path(arguments.results, one.name)
        different = check(path, arguments.data_dir, arguments.quick)
        if different:
            texts = [f"{what}: {kept} in {path}, {now} now" for what, kept, now in different]
            raise ValueError(f"The score of {one.name} is another one. {'; '.join(texts)}")
        print("Equal to the digit")


def describe(results):
    """Return what can be reproduced, a line each, with the result where there is one."""
    from kmeta.recipes.reproductions import REPRODUCTIONS
    from kmeta.runs.results_table import NOT_YET, label, read_results, shown

    width = max(map(len, REPRODUCTIONS))
    lines = []
    for name, record in read_results(results).items():
        first = record and record["scores"][0]
        text = f"{label(first)}: {shown(first)}" if first else NOT_YET
        lines.append(f"{name:{width}}  {text}")
    return "\n".join(lines)
