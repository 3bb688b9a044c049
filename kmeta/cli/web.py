"""`kmeta export --web`: a bundle as a page for any static host."""

from pathlib import Path

from kmeta.cli.serve import NEEDED


def add_options(parser):
    """Add the options to the parser of `kmeta export`."""
    group = parser.add_argument_group(
        "a page without a server",
        "A folder for any static host: the page of `kmeta serve`, the bundle, and onnxruntime-web, "
        "so that pictures are told and classes taught in the browser alone.",
    )
    group.add_argument("--web", metavar="DIR", help="the folder to write, new or empty")
    group.add_argument(
        "--runtime",
        metavar="PATH",
        help="the npm package onnxruntime-web: its folder, or the file that `npm pack "
        "onnxruntime-web` fetches (default: what of these is in the present folder)",
    )


def check(arguments):
    """Raise ValueError, or ImportError, where there is nothing to write or it cannot be written."""
    if arguments.web is None and arguments.runtime is not None:
        raise ValueError("--runtime needs --web DIR")
    if arguments.web is None and arguments.directory is None:
        raise ValueError("give DIRECTORY, the bundle to write, or --web DIR, or both")
    if Path(arguments.classifier).is_dir():
        if arguments.web is None or arguments.directory is not None:
            raise ValueError(
                f"{arguments.classifier} is a folder: of a bundle that is there already only a "
                "page can be written, by --web DIR without DIRECTORY"
            )
        if getattr(arguments, "quantize", None) is not None:
            raise ValueError("--quantize needs a .keras file. Received: a folder")
    if arguments.web is not None:
        _static().check(arguments.web, arguments.runtime)


def write(bundle, arguments):
    """Write the page of a bundle, where it is asked for."""
    if arguments.web is not None:
        print(f"Page: {_static().write(bundle, arguments.web, arguments.runtime)}")


def _static():
    """The part of the server's package that writes pages."""
    try:
        from kmeta_server import static
    except ImportError as error:
        raise ImportError(f"{NEEDED.replace('serve', 'export --web', 1)} ({error})") from error
    return static
