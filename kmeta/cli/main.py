"""The `kmeta` command: a thin layer over the library.

Arguments are read and checked before TensorFlow is imported, so that help and errors come at once.
"""

import os
import sys
import warnings

import kmeta
from kmeta.cli import (
    adapt,
    demo,
    episodes,
    evaluate,
    export,
    fit,
    predict,
    report,
    reproduce,
    results,
    serve,
    train,
)
from kmeta.cli.interrupts import interruptible
from kmeta.cli.parsing import Parser

COMMANDS = (
    *(demo, fit, train, evaluate, report, adapt, predict, export, serve, episodes),
    *(reproduce, results),
)
WRONG_INPUT = (ValueError, OSError, ImportError)
EXAMPLES = """examples:
  kmeta demo
  kmeta fit my-characters/ --out bundle
  kmeta train --recipe prototypical-omniglot-5way-1shot --run runs/omniglot
  kmeta adapt runs/omniglot my-characters/ --out mine.keras
  kmeta predict mine.keras picture.png
"""


def make_parser():
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="kmeta",
        description="Few-shot learning: train a learner on many small tasks, then teach it new "
        "classes from a handful of pictures.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"kmeta {kmeta.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        part = command.add_parser(commands)
        part.add_argument(
            "--debug", action="store_true", help="show the traceback of an error (or KMETA_DEBUG=1)"
        )
        part.set_defaults(command=command.run, prog=part.prog)
    return parser


def main(arguments=None):
    """Run a command line, by default that of the process.

    Returns the exit code: 0 for success, 1 where training failed, 2 where an argument or a file is
    wrong, 130 after Ctrl-C. Leaves with `SystemExit` where the arguments cannot be read.
    """
    try:
        parsed = make_parser().parse_args(arguments)
    except KeyboardInterrupt:
        return 130
    debug = parsed.debug or os.environ.get("KMETA_DEBUG", "0") not in ("", "0")
    warnings.showwarning = _show_warning
    try:
        with interruptible():
            parsed.command(parsed)
    except KeyboardInterrupt:
        return _failed(parsed, "interrupted", 130)
    except (*WRONG_INPUT, FloatingPointError) as error:
        if debug:
            raise
        return _failed(parsed, f"error: {error}", 1 if isinstance(error, ArithmeticError) else 2)
    return 0


def _failed(parsed, message, code):
    print(f"{parsed.prog}: {' '.join(message.split())}", file=sys.stderr)
    return code


def _show_warning(message, category, filename, lineno, file=None, line=None):
    del category, filename, lineno, line
    print(f"kmeta: warning: {' '.join(str(message).split())}", file=file or sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
