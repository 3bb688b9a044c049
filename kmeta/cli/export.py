"""`kmeta export`: a classifier as SavedModel and ONNX, and as a page."""

import tempfile
from pathlib import Path

from kmeta.cli import int8, web
from kmeta.cli.classifiers import load_classifier
from kmeta.cli.quiet import import_keras
from kmeta.edge import place


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "export",
        help="write a classifier as SavedModel and ONNX, or as a page",
        description="Write a bundle: the classifier as SavedModel, for TensorFlow Serving, and as "
        "ONNX, for onnxruntime, both compared with Keras before the bundle appears. With "
        "--quantize, ONNX in 8-bit integers. With --web, a page that works without a server.",
    )
    parser.add_argument(
        "classifier",
        metavar="CLASSIFIER",
        help="a classifier's .keras file, from `kmeta adapt`; for --web alone also a bundle",
    )
    parser.add_argument("directory", metavar="DIRECTORY", nargs="?", help="the bundle to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle")
    web.add_options(parser)
    int8.add_options(parser)
    return parser


def run(arguments):
    """Run the command."""
    int8.check(arguments)
    web.check(arguments)
    if Path(arguments.classifier).is_dir():
        web.write(arguments.classifier, arguments)
    elif arguments.directory is None:
        name = Path(arguments.classifier).stem
        with tempfile.TemporaryDirectory() as folder:
            _export(arguments, Path(folder) / name)
            web.write(Path(folder) / name, arguments)
    else:
        _export(arguments, arguments.directory)
        web.write(arguments.directory, arguments)


def _export(arguments, directory):
    place.check(directory, arguments.overwrite)
    classifier = load_classifier(arguments.classifier)
    import_keras()
    from kmeta.exporting import export

    quantize = int8.settings(arguments, classifier.image_shape)
    print(export(classifier, directory, overwrite=arguments.overwrite, quantize=quantize))
