"""The command `kmeta-edge`: predict, add, check, bench."""

import argparse
import sys

from . import bench, numbers, pictures
from .classifier import FewShotClassifier


def make_parser():
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="kmeta-edge",
        description="Use a bundle of kmeta on the device, and teach it new classes.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    part = _command(commands, "predict", _predict, "name the classes of pictures")
    part.add_argument("images", nargs="+", metavar="IMAGE")
    part.add_argument(
        "--threshold", type=numbers.probability, metavar="P", help="below it: unknown"
    )
    part.add_argument("--invert", action="store_true", help="swap dark and light")

    part = _command(commands, "add", _add, "learn a class from pictures of it")
    part.add_argument("name", metavar="NAME", help="of the new class")
    part.add_argument("images", nargs="+", metavar="IMAGE", help="one or more pictures of it")
    part.add_argument("--out", required=True, metavar="DIR", help="the bundle to write")
    part.add_argument("--overwrite", action="store_true", help="replace the bundle in DIR")
    part.add_argument("--invert", action="store_true", help="swap dark and light")

    _command(commands, "check", _check, "check every file and the bundle's sample")

    part = _command(commands, "bench", _bench, "measure start, memory and time of a prediction")
    part.add_argument("--runs", type=numbers.count, default=500, metavar="N", help="default: 500")
    return parser


def _command(commands, name, function, text):
    part = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    part.add_argument("bundle", metavar="BUNDLE", help="folder that kmeta export wrote")
    part.set_defaults(run=function)
    return part


def main(arguments=None):
    """Run a command line; returns 0, or 2 with one line on standard error."""
    parsed = make_parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except (ValueError, OSError, ImportError) as error:
        print(f"kmeta-edge: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _pictures(parsed, classifier):
    return pictures.read(parsed.images, classifier.image_shape, parsed.invert, classifier.crop)


def _predict(parsed):
    classifier = FewShotClassifier.load(parsed.bundle)
    if parsed.threshold is not None:
        classifier.threshold = parsed.threshold
    images = _pictures(parsed, classifier)
    labels, scores = classifier.label(images)
    for path, label, score in zip(parsed.images, labels, scores, strict=True):
        print(f"{path}\t{label}\t{score:.4f}")


def _add(parsed):
    classifier = FewShotClassifier.load(parsed.bundle)
    images = _pictures(parsed, classifier)
    classifier.add_class(parsed.name, images)
    classifier.save(parsed.out, parsed.overwrite)
    print(f"{parsed.out}: {len(classifier.class_names)} classes, the last is {parsed.name}")


def _check(parsed):
    classifier = FewShotClassifier.load(parsed.bundle)
    print(
        f"{parsed.bundle}: whole, {len(classifier.class_names)} classes, largest difference on "
        f"its sample {classifier.check_sample():.1e}"
    )


def _bench(parsed):
    for name, value in bench.measure(parsed.bundle, parsed.runs).items():
        print(f"{name}\t{value}")


if __name__ == "__main__":
    sys.exit(main())
