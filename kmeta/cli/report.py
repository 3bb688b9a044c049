"""`kmeta report`: a run, or a bundle of own pictures, as one page."""

from pathlib import Path

from kmeta.cli.pictures import check_writable
from kmeta.cli.quiet import import_keras


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "report",
        help="write a page on a run, or on a bundle of own pictures",
        description="Write one HTML page on a run, which needs no other file and no network: "
        "settings, result, training curves, hashes, versions; and of a finished run a test task "
        "with the learner's answers and the pictures that suit the learner. A run that has not "
        "finished is shown as far as it is. Of a bundle that `kmeta fit` wrote with head ridge: "
        "the pictures of each class, near-duplicates, left-out pictures that were told wrong and "
        "those nearest to them, confusions, confidence and accuracy.",
    )
    parser.add_argument("run", metavar="RUN|BUNDLE", help="folder of a run, or of a bundle")
    parser.add_argument(
        "pictures",
        metavar="FOLDER",
        nargs="?",
        help="of a bundle: the pictures that it was made of",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the .html file to write (default: report.html in RUN; needed for a BUNDLE)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file given by --out")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="where the data are (default: where they were)"
    )
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.runs.folder import Run

    if (Path(arguments.run) / "manifest.json").is_file():
        _bundle(arguments)
        return
    if arguments.pictures is not None:
        raise ValueError(f"FOLDER goes with a bundle. Received: {arguments.run}, which is none")
    folder = Run(arguments.run)
    folder.recipe  # noqa: B018  raises where there is none
    out = folder.report_path if arguments.out is None else Path(arguments.out)
    overwrite = arguments.overwrite or arguments.out is None
    check_writable(out, overwrite, ".html")
    if folder.finished:
        import_keras()
    from kmeta.report import write_report

    print(f"Report: {write_report(folder.path, out, arguments.data_dir, overwrite)}")


def _bundle(arguments):
    if arguments.pictures is None or arguments.out is None:
        raise ValueError(
            "Of a bundle give FOLDER, the pictures that it was made of, and --out FILE"
        )
    check_writable(arguments.out, arguments.overwrite, ".html")
    from kmeta.data.directory import check_classes
    from kmeta.exporting import load_bundle

    check_classes(arguments.pictures)
    bundle = load_bundle(arguments.run)
    import_keras()
    from kmeta.few_shot.bundled import Bundled
    from kmeta.report.fit import write_fit_report

    found = Bundled(bundle)
    page = write_fit_report(found, arguments.pictures, arguments.out, arguments.overwrite)
    print(f"Report: {page}")
