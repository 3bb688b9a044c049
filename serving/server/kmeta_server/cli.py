"""The command `kmeta-server`, whose options `kmeta serve` has too."""

import argparse
import os
import sys

from kmeta_edge.numbers import count, number, positive

from kmeta_server.settings import Settings

DEFAULTS = Settings()


def add_options(parser):
    """Add the options of a server to a parser."""
    parser.add_argument(
        "bundles",
        nargs="*",
        metavar="BUNDLE",
        help="folder of a bundle, or of its versions (1, 2, ...), of which the newest is served; "
        "its name is that of the model",
    )
    parser.add_argument(
        "--models-dir", metavar="DIR", help="serve each folder in DIR, also those that come later"
    )
    parser.add_argument("--host", default=DEFAULTS.host, help="default: %(default)s, this machine")
    parser.add_argument(
        "--port", type=_port, default=DEFAULTS.port, help="default: %(default)s; 0 for any"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name by which clients may call this machine, beside its addresses and localhost, or "
        "'*' for any: pages of a stranger can point a name of theirs to it",
    )
    parser.add_argument(
        "--max-request-mb",
        type=positive,
        default=DEFAULTS.max_request_bytes >> 20,
        metavar="MB",
        help="largest body of a request (default: %(default)s)",
    )
    parser.add_argument(
        "--max-images",
        type=count,
        default=DEFAULTS.max_images,
        metavar="N",
        help="most images, support items or classes of an input (default: %(default)s)",
    )
    parser.add_argument(
        "--max-bodies-mb",
        type=positive,
        default=DEFAULTS.max_bodies_bytes >> 20,
        metavar="MB",
        help="of all large bodies at the same time, others wait (default: %(default)s; at least "
        "twice --max-request-mb)",
    )
    parser.add_argument(
        "--max-pixels",
        type=count,
        default=DEFAULTS.max_pixels,
        metavar="N",
        help="most pixels of an input, images x height x width (default: %(default)s)",
    )
    parser.add_argument(
        "--max-picture-pixels",
        type=count,
        default=DEFAULTS.max_picture_pixels,
        metavar="N",
        help="most pixels of a picture that comes as a file (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        type=count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="predictions at the same time (default: one a processor, here %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=count,
        default=DEFAULTS.threads,
        metavar="N",
        help="processors for one prediction (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size",
        type=count,
        default=DEFAULTS.batch_size,
        metavar="N",
        help="most images predicted at once (default: %(default)s); 1 for no batches",
    )
    parser.add_argument(
        "--batch-delay",
        type=_not_negative,
        default=DEFAULTS.batch_delay,
        metavar="MS",
        help="milliseconds that images wait for those of other requests (default: 0; those that "
        "come while all workers are busy form batches anyway)",
    )
    parser.add_argument(
        "--reload-seconds",
        type=positive,
        default=DEFAULTS.reload_seconds,
        metavar="S",
        help="between two looks for new versions (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-export",
        action="store_true",
        help="let the page download bundles with the classes that were taught there",
    )


def run(parsed):
    """Serve as the command line says.

    Raises:
        ValueError, OSError: as `serve`, and if there is nothing to serve.
        ImportError: if a package is missing.
    """
    if not parsed.bundles and not parsed.models_dir:
        raise ValueError("give a BUNDLE, or --models-dir DIR")
    from kmeta_server.server import serve

    settings = Settings(
        host=parsed.host,
        port=parsed.port,
        hosts=tuple(parsed.allow_host),
        max_request_bytes=int(parsed.max_request_mb * 2**20),
        max_bodies_bytes=int(parsed.max_bodies_mb * 2**20),
        max_pixels=parsed.max_pixels,
        max_picture_pixels=parsed.max_picture_pixels,
        max_images=parsed.max_images,
        workers=parsed.workers,
        threads=parsed.threads,
        batch_size=parsed.batch_size,
        batch_delay=parsed.batch_delay / 1000,
        reload_seconds=parsed.reload_seconds,
        allow_export=parsed.allow_export,
    )
    serve(parsed.bundles, parsed.models_dir, settings)


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(2)


def main(arguments=None):
    """Run a command line; returns 0, or 2 with one line on standard error, 130 after Ctrl-C."""
    parser = _Parser(
        prog="kmeta-server",
        description="Serve bundles of kmeta over HTTP, by the Open Inference Protocol (V2).",
        allow_abbrev=False,
    )
    add_options(parser)
    parsed = parser.parse_args(arguments)
    try:
        run(parsed)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"{parser.prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _port(text):
    return number(text, int, lambda value: 0 <= value < 65536, "a number from 0 to 65535")


def _not_negative(text):
    return number(text, float, lambda value: 0 <= value < float("inf"), "a number of at least 0")
