"""The `kmeta` command: a thin layer over the library.

Arguments are read and checked before TensorFlow is imported, so that help and errors come at once.
"""

import errno
import os
import sys
import warnings

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
from kmeta.cli.output import guarded
from kmeta.cli.parsing import Parser
from kmeta.runs.cluster import LOST, WorkerLostError
from kmeta.version import __version__

COMMANDS = (
    *(demo, fit, train, evaluate, report, adapt, predict, export, serve, episodes),
    *(reproduce, results),
)
WRONG_INPUT = (ValueError, OSError, ImportError)
FAILED = (ArithmeticError, MemoryError)  # the input may be right, the work is not done
OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE)
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
    parser.add_argument("--version", action="version", version=f"kmeta {__version__}")
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

    Returns the exit code: 0 for success, 1 where the work failed, or its output could not be
    printed, 2 where an argument or a file is wrong, 75 where another process of a distributed
    training is lost, 130 after Ctrl-C. Leaves with `SystemExit`
    where the arguments cannot be read. With --debug exceptions are raised.
    """
    with guarded() as output:
        try:
            parsed = make_parser().parse_args(arguments)
        except KeyboardInterrupt:
            return 130
        warnings.showwarning = _show_warning
        code = _run(parsed)
        if output:
            output.flush()
        lost = output and output.error
        if lost and not isinstance(lost, BrokenPipeError):  # of which its reader knows
            return _failed(parsed, f"error: the output could not be printed: {lost}", code or 1)
        return code


def _run(parsed):
    """Run a command; returns the exit code."""
    try:
        with interruptible():
            parsed.command(parsed)
    except KeyboardInterrupt:
        return _failed(parsed, "interrupted", 130)
    except Exception as error:
        if parsed.debug or os.environ.get("KMETA_DEBUG", "0") not in ("", "0"):
            raise
        return _failed(parsed, *_described(error))
    return 0


def _described(error):
    """A line on an exception, and the exit code."""
    text = str(error) or type(error).__name__
    if isinstance(error, WorkerLostError):
        return f"error: {text}", LOST
    if isinstance(error, MemoryError):
        text = f"not enough memory ({text})"
    is_failure = isinstance(error, FAILED) or getattr(error, "errno", None) in OF_THE_MACHINE
    if is_failure or isinstance(error, WRONG_INPUT):
        return f"error: {text}", 1 if is_failure else 2
    return f"unexpected error: {type(error).__name__}: {text} (--debug shows where)", 1


def _failed(parsed, message, code):
    print(f"{parsed.prog}: {' '.join(message.split())}", file=sys.stderr)
    return code


def _show_warning(message, category, filename, lineno, file=None, line=None):
    del category, filename, lineno, line
    print(f"kmeta: warning: {' '.join(str(message).split())}", file=file or sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
