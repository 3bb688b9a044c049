"""`kmeta report`: a run as one page."""

from pathlib import Path

from kmeta.cli.pictures import check_writable
from kmeta.cli.quiet import import_keras


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "report",
        help="write a page on a run, with its result, curves and pictures",
        description="Write one HTML page on a run, which needs no other file and no network: "
        "settings, result, training curves, hashes, versions; and of a finished run a test task "
        "with the learner's answers and the pictures that suit the learner. A run that has not "
        "finished is shown as far as it is.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--out", metavar="FILE", help="the .html file to write (default: report.html in RUN)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file given by --out")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="where the data are (default: where they were)"
    )
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.runs.folder import Run

    folder = Run(arguments.run)
    folder.recipe  # noqa: B018  raises where there is none
    out = folder.report_path if arguments.out is None else Path(arguments.out)
    overwrite = arguments.overwrite or arguments.out is None
    check_writable(out, overwrite, ".html")
    if folder.finished:
        import_keras()
    from kmeta.report import write_report

    print(f"Report: {write_report(folder.path, out, arguments.data_dir, overwrite)}")
