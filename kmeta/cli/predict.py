"""`kmeta predict`: classify pictures."""

from pathlib import Path

import numpy as np

from kmeta.cli import folders, pictures
from kmeta.cli.adapt import add_invert
from kmeta.cli.classifiers import opened
from kmeta.cli.output import shown
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
    add_invert(parser)
    return parser


def run(arguments):
    """Run the command."""
    invert = getattr(arguments, "invert", False)
    if len(arguments.images) == 1 and Path(arguments.images[0]).is_dir():
        folders.write_csv(opened(arguments.classifier), arguments.images[0], invert)
        return
    pictures.check(arguments.images)  # errors before TensorFlow loads
    classifier = opened(arguments.classifier)
    images = pictures.read(arguments.images, classifier.image_shape, invert, classifier.crop)
    for path, row, label, score in zip(arguments.images, *classifier.answers(images), strict=True):
        best = np.argsort(-row, kind="stable")[: arguments.top]
        found = [f"{shown(classifier.class_names[i])}\t{row[i]:.4f}" for i in best]
        if label not in classifier.class_names:
            found = [f"{UNKNOWN}\t{score:.4f}", *found[: arguments.top - 1]]
        print("\t".join([shown(path), *found]))
