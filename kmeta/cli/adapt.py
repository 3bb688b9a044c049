"""`kmeta adapt`: teach a learner new classes from a folder of pictures."""

from pathlib import Path

from kmeta import weights
from kmeta.cli.parsing import add_switch
from kmeta.cli.pictures import check_writable
from kmeta.cli.quiet import import_keras


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "adapt",
        help="learn new classes from a few pictures of each",
        description="Adapt a trained learner to new classes: a folder (or .zip) with one "
        "sub-folder of pictures for each class. Writes a classifier, which `kmeta predict` uses "
        "and `kmeta export` deploys. The learner stays as it is.",
    )
    parser.add_argument(
        "learner", metavar="RUN", help="folder of a run, or a learner's .keras file"
    )
    parser.add_argument("folder", metavar="FOLDER", help="pictures, one sub-folder a class")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="the classifier to write, a .keras file"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    add_invert(parser)
    return parser


def add_invert(parser):
    """Add the option that swaps dark and light in pictures."""
    add_switch(
        parser,
        "--invert",
        help="swap dark and light: for scans of dark strokes on paper, where the learner was "
        "trained on Omniglot or glyphs, which are light on dark",
    )


def run(arguments):
    """Run the command."""
    from kmeta.data.directory import check_classes
    from kmeta.placing import replaced
    from kmeta.runs.folder import check_loadable

    check_writable(arguments.out, arguments.overwrite, ".keras")
    if arguments.learner in weights.names() and not Path(arguments.learner).exists():
        raise ValueError(
            f"{arguments.learner} comes with the package, and is no run: kmeta fit FOLDER --out "
            f"BUNDLE --backbone {arguments.learner} learns classes with it"
        )
    check_loadable(arguments.learner)
    check_classes(arguments.folder)  # errors before TensorFlow loads
    import_keras()
    import numpy as np

    from kmeta.data.directory import read_classes
    from kmeta.edge.pixels import fitted
    from kmeta.learners.meta_learner import MetaLearner
    from kmeta.runs.loading import load

    learner = load(arguments.learner)
    if not isinstance(learner, MetaLearner):
        raise ValueError(
            f"{arguments.learner} holds no learner to adapt but a {type(learner).__name__}"
        )
    shape, crop = learner.image_shape, learner.crop
    found = read_classes(arguments.folder, lambda image: fitted(image, shape, crop))
    images, names = np.stack(found.pictures), list(found.class_names)
    images = 1 - images if getattr(arguments, "invert", False) else images
    classifier = learner.adapt(images, np.array(found.labels), names)
    with replaced(arguments.out, arguments.overwrite) as temporary:
        classifier.save(temporary)
    shots = zip(names, np.bincount(found.labels), strict=True)
    counts = ", ".join(f"{name} ({count})" for name, count in shots)
    print(f"Learned {len(names)} classes (pictures of each): {counts}")
    print(f"Classifier: {arguments.out}")
