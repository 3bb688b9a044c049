"""`kmeta fit`: from a folder of pictures to a deployable classifier, without training."""

import dataclasses
import warnings

from kmeta import weights
from kmeta.cli.adapt import add_invert
from kmeta.cli.parsing import count, given
from kmeta.cli.quiet import import_keras

DEFAULT = "prototypical-omniglot"
HELD_OUT = {"omniglot": "evaluation", "glyphs": "test"}


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "fit",
        help="make a classifier of a folder of pictures",
        description="Learn the classes of a folder from a few pictures each, one sub-folder a "
        "class, estimate how well they are told, and write a bundle for TensorFlow Serving and "
        "onnxruntime. Nothing is trained: a network that has been trained before looks at them.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="pictures, one sub-folder a class")
    parser.add_argument("--out", required=True, metavar="BUNDLE", help="the bundle to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the bundle")
    parser.add_argument(
        "--backbone",
        default=DEFAULT,
        metavar="NAME|PATH",
        help=f"what looks at the pictures: {', '.join(weights.names())}, for drawings; a network "
        "of keras.applications, such as MobileNetV2, for photographs; a run's folder or a .keras "
        f"file (default: {DEFAULT})",
    )
    parser.add_argument(
        "--weights",
        default="imagenet",
        metavar="FILE",
        help="of a network of keras.applications; Keras downloads them once unless a file is given",
    )
    parser.add_argument(
        "--size",
        type=count,
        metavar="PIXELS",
        help="side to which such a network's pictures are resized (default: 224)",
    )
    parser.add_argument(
        "--calibrate",
        nargs="?",
        const="",
        metavar="NAME|FOLDER",
        help="make probabilities mean what they say, and refuse images of unknown classes, judged "
        "by tasks with other classes: those of a folder or named set; alone, by the pictures "
        "themselves, of which one or a class is left out in turn",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="where the files of a named set are")
    add_invert(parser)
    return parser


def run(arguments):
    """Run the command."""
    import kmeta.data
    from kmeta.edge import place
    from kmeta.edge.scoring import UNKNOWN

    place.check(arguments.out, arguments.overwrite)
    _check_other_classes(arguments.calibrate)
    with warnings.catch_warnings(action="ignore"):  # errors before TensorFlow loads
        found = kmeta.data.from_directory(arguments.folder, size=1, skip_unreadable=True)
    if arguments.calibrate is not None and UNKNOWN in found.class_names:
        raise ValueError(f"With --calibrate no class can be named {UNKNOWN!r}: rename its folder")
    import_keras()
    from kmeta.few_shot.few_shot_classifier import FewShotClassifier

    classifier = FewShotClassifier.from_directory(
        arguments.folder,
        arguments.backbone,
        arguments.weights,
        arguments.size,
        **given(arguments, ("invert",)),
    )
    named = zip(classifier.class_names, classifier.counts, strict=True)
    counts = ", ".join(f"{name} ({shots})" for name, shots in named)
    print(f"Learned {len(classifier.class_names)} classes (pictures of each): {counts}")
    if classifier.inverted:
        print("Dark and light are swapped")
    if classifier.counts.max() > 1:
        estimate = classifier.leave_one_out()
        print(estimate)
        for name, other, times in estimate.confused():
            print(f"  {name} was taken for {other} {times} times")
    if arguments.calibrate is not None:
        print(classifier.calibrate(_other_classes(arguments, classifier)))
    print(classifier.export(arguments.out, arguments.overwrite))


def _check_other_classes(data):
    """Raise ValueError unless there is a folder or set of that name to calibrate on."""
    from kmeta.runs.data import is_folder

    if data and data not in HELD_OUT and not is_folder(data):
        raise ValueError(
            f"--calibrate takes a folder, or one of {', '.join(HELD_OUT)}. Received: {data!r}"
        )


def _other_classes(arguments, classifier):
    """The `Dataset` to calibrate on; None for the pictures themselves."""
    from kmeta.runs.data import is_folder, load_split

    data, (height, width, channels) = arguments.calibrate, classifier.image_shape
    if not data:
        return None
    if is_folder(data):
        return load_split(data, "all", options={"size": (height, width), "channels": channels})
    options = {"size": height, **({"antialias": True} if data == "omniglot" else {})}
    found = load_split(data, HELD_OUT[data], arguments.data_dir, options)
    if classifier.inverted:  # named sets of drawings are light on dark
        found = dataclasses.replace(found, images=255 - found.images)
    return found
