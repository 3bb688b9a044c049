"""`kmeta predict`: classify pictures."""

from pathlib import Path

import numpy as np

from kmeta.cli import folders, pictures
from kmeta.cli.adapt import add_invert
from kmeta.cli.classifiers import opened
from kmeta.cli.output import shown
from kmeta.cli.parsing import share
from kmeta.edge.numbers import count
from kmeta.edge.scoring import UNKNOWN


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "predict",
        help="classify pictures",
        description="Print class and probability of each picture, separated by tabs; 'unknown' and "
        "the score of a picture that the classifier refuses. A bundle runs on onnxruntime and "
        "starts in a second, a .keras file on TensorFlow. Of a folder, all pictures in it, as CSV: "
        "file, label, score and the probability of each class.",
    )
    parser.add_argument(
        "classifier",
        metavar="CLASSIFIER",
        help="a classifier's .keras file, or the folder of a bundle",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="PNG, JPEG, GIF, BMP or WebP; or one folder"
    )
    parser.add_argument(
        "--top", type=count, default=1, metavar="N", help="classes to print (default: 1)"
    )
    parser.add_argument(
        "--least",
        type=share,
        metavar="P",
        help="print all classes of at least this probability instead, such as `kmeta fit "
        "--coverage` finds one",
    )
    parser.add_argument(
        "--nearest",
        type=count,
        default=0,
        metavar="N",
        help="also print the N pictures that were learned from and are most like it, with the "
        "cosine of their features; of a bundle of `kmeta fit` with the head ridge",
    )
    add_invert(parser)
    return parser


def run(arguments):
    """Run the command."""
    invert = getattr(arguments, "invert", False)
    if len(arguments.images) == 1 and Path(arguments.images[0]).is_dir():
        classifier = opened(arguments.classifier)
        _check_nearest(arguments, classifier)
        folders.write_csv(classifier, arguments.images[0], invert, nearest=arguments.nearest)
        return
    pictures.check(arguments.images)  # errors before TensorFlow loads
    classifier = opened(arguments.classifier)
    _check_nearest(arguments, classifier)
    images = pictures.read(arguments.images, classifier.image_shape, invert, classifier.crop)
    near = [()] * len(images)
    if arguments.nearest:
        near = classifier.nearest(images, arguments.nearest)
    answers = classifier.answers(images)
    for path, row, label, score, like in zip(arguments.images, *answers, near, strict=True):
        best = np.argsort(-row, kind="stable")
        if arguments.least is None:
            best = best[: arguments.top]
        else:
            best = [i for i in best if row[i] >= arguments.least]
        found = [f"{shown(classifier.class_names[i])}\t{row[i]:.4f}" for i in best]
        if label not in classifier.class_names:
            kept = found if arguments.least is not None else found[: arguments.top - 1]
            found = [f"{UNKNOWN}\t{score:.4f}", *kept]
        found += [f"{shown(name)}\t{cosine:.4f}" for name, cosine in like]
        print("\t".join([shown(path), *found]))


def _check_nearest(arguments, classifier):
    if arguments.nearest and not hasattr(classifier, "nearest"):
        raise ValueError("--nearest needs a bundle. Received: a .keras file")
