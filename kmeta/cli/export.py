"""`kmeta export`: a classifier as SavedModel and ONNX."""

from kmeta.cli import int8
from kmeta.cli.predict import load_classifier
from kmeta.cli.quiet import import_keras
from kmeta.edge import place


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "export",
        help="write a classifier as SavedModel and ONNX",
        description="Write a bundle: the classifier as SavedModel, for TensorFlow Serving, and as "
        "ONNX, for onnxruntime, both compared with Keras before the bundle appears. With "
        "--quantize, ONNX in 8-bit integers.",
    )
    parser.add_argument(
        "classifier", metavar="CLASSIFIER", help="a classifier's .keras file, from `kmeta adapt`"
    )
    parser.add_argument("directory", metavar="DIRECTORY", help="the bundle to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle")
    int8.add_options(parser)
    return parser


def run(arguments):
    """Run the command."""
    int8.check(arguments)
    place.check(arguments.directory, arguments.overwrite)
    classifier = load_classifier(arguments.classifier)
    import_keras()
    from kmeta.exporting import export

    quantize = int8.settings(arguments, classifier.image_shape)
    directory, overwrite = arguments.directory, arguments.overwrite
    print(export(classifier, directory, overwrite=overwrite, quantize=quantize))
