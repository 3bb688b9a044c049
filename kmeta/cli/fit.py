"""`kmeta fit`: from a folder of pictures to a deployable classifier, without training."""

import dataclasses
import sys
from pathlib import Path

from kmeta import weights
from kmeta.cli import int8
from kmeta.cli.adapt import add_invert
from kmeta.cli.parsing import given, share
from kmeta.cli.pictures import check_writable
from kmeta.cli.quiet import import_keras
from kmeta.edge.numbers import count

HELD_OUT = {"omniglot": "evaluation", "glyphs": "test"}
MANY = 200  # pictures, from which on progress is shown


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
        default="auto",
        metavar="NAME|PATH",
        help="what looks at the pictures. auto (the default): photos, for photographs, and "
        "prototypical-omniglot, for drawings, are tried, and that is taken which tells more of the "
        f"left-out pictures right. Or one of {', '.join(weights.names())}; a network of "
        "keras.applications, such as MobileNetV2; a run's folder or a .keras file",
    )
    parser.add_argument(
        "--head",
        choices=("ridge", "prototypes"),
        help="how classes are told by what the backbone sees: ridge regression, or the mean of "
        "each class (default: ridge for photographs, and as trained for drawings)",
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
    parser.add_argument(
        "--test",
        metavar="FOLDER",
        help="labelled pictures that are not learned from, one sub-folder a class: how many are "
        "told right, and which are not. Sub-folders of other names are unknown classes",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write a page, .html, with the pictures of each class, near-duplicates, left-out "
        "pictures that were told wrong and those nearest to them, confusions, and calibration",
    )
    parser.add_argument(
        "--coverage",
        type=share,
        metavar="SHARE",
        help="say from which probability on a class is to be named, so that the true one is among "
        "those named in such a share of all cases, such as 0.9; judged by left-out pictures. "
        "`kmeta predict --least` names them",
    )
    parser.add_argument(
        "--quantize",
        choices=("int8",),
        help="write ONNX files in 8-bit integers, for devices: a third in size, without a "
        "SavedModel. Refused if more than a point of accuracy is lost",
    )
    parser.add_argument(
        "--thumbnails",
        action="store_true",
        help="keep small copies of the pictures in the bundle, of at most 1000 and 4 KiB each, so "
        "that the page of `kmeta serve` shows those that are most like a new one",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="where the files of a named set are")
    add_invert(parser)
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.data.directory import check_classes
    from kmeta.edge import place
    from kmeta.edge.scoring import UNKNOWN

    place.check(arguments.out, arguments.overwrite)
    _check_outside(arguments.out, arguments.folder)
    if arguments.report is not None:
        check_writable(arguments.report, arguments.overwrite, ".html")
    _check_other_classes(arguments.calibrate)
    names = check_classes(arguments.folder)  # errors before TensorFlow loads
    if arguments.quantize is not None:
        int8.check_counts(names)
    if arguments.test is not None:
        check_classes(arguments.test)
    if arguments.calibrate is not None and UNKNOWN in names:
        raise ValueError(f"With --calibrate no class can be named {UNKNOWN!r}: rename its folder")
    import_keras()
    from kmeta.few_shot.few_shot_classifier import FewShotClassifier

    classifier = FewShotClassifier.from_directory(
        arguments.folder,
        arguments.backbone,
        arguments.weights,
        arguments.size,
        head=arguments.head,
        progress=_Progress(),
        thumbnails=arguments.thumbnails,
        **given(arguments, ("invert",)),
    )
    lines = [_learned(classifier), *_estimates(classifier)]
    if arguments.calibrate is not None:
        lines.append(str(classifier.calibrate(_other_classes(arguments, classifier))))
    else:
        classifier.fit_familiarity()
    if arguments.coverage is not None:
        lines.append(_sets(classifier, arguments.coverage))
    if arguments.test is not None:
        lines.append(str(classifier.score(arguments.test)))
    quantize = None
    if arguments.quantize is not None:
        quantize = int8.of_pictures(arguments.folder, classifier)
    lines.append(str(classifier.export(arguments.out, arguments.overwrite, quantize)))
    if arguments.report is not None:
        from kmeta.report.fit import write_fit_report

        page = write_fit_report(classifier, arguments.folder, arguments.report, arguments.overwrite)
        lines.append(f"Report: {page}")
    print("\n".join(lines))


def _learned(classifier):
    named = list(zip(classifier.class_names, classifier.counts, strict=True))
    counts = ", ".join(f"{name} ({shots})" for name, shots in named)
    text = f"Learned {len(named)} classes (pictures of each): {counts}"
    return text + "\nDark and light are swapped" * classifier.inverted


def _sets(classifier, coverage):
    """A line on the sets of labels that hold the true one in a share of all cases."""
    from kmeta.edge.scoring import softmax

    least = classifier.least_probability(coverage)
    found = classifier.leave_one_out()
    named = softmax(found.logits / classifier.temperature) >= least
    return (
        f"Of new pictures taken like these, about {100 * coverage:g} % are of a class with a "
        f"probability of {least:.4f} or more (--least {least:.4f}): {named.sum(-1).mean():.2f} "
        "classes on average, of left-out pictures"
    )


def _estimates(classifier):
    """Lines about backbones, near-duplicates and left-out pictures."""
    tried = [
        f"{name} {100 * estimate.accuracy:.0f} %"
        for name, estimate in classifier.tried.items()
        if estimate is not None
    ]
    if tried:
        yield f"Tried, left-out pictures told right: {', '.join(tried)}"
    yield f"Backbone: {classifier.backbone}"
    for group in classifier.near_duplicates():
        files = ", ".join(classifier.files[i] for i in group)
        yield f"Nearly the same, so left out together: {files}"
    estimate = classifier.tried[classifier.backbone]
    if estimate is not None:
        yield str(estimate)
        for name, other, times in estimate.confused():
            yield f"  {name} was taken for {other} {times} times"


class _Progress:
    """Says on standard error how many of many pictures were read."""

    def __init__(self):
        self.shown = 0

    def __call__(self, done, total):
        if total >= MANY and (done * 20 // total > self.shown or done == total):
            self.shown = done * 20 // total
            print(f"kmeta fit: {done} of {total} pictures", file=sys.stderr, flush=True)


def _check_outside(out, folder):
    """Raise ValueError where the bundle would be taken for pictures the next time."""
    if Path(folder).resolve() in Path(out).resolve().parents:
        raise ValueError(
            f"--out must not lie inside FOLDER, where it would be a class. Received: {out}"
        )


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
