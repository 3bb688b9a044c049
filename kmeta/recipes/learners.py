"""The learners that a recipe, and with it the command line, can name. One line each."""

from typing import NamedTuple


class Kind(NamedTuple):
    """How a recipe makes a learner.

    class_name: name in `kmeta`.
    network: what its first argument is: an "embedding", images to features; a "classifier", images
        to logits of `way` classes, the same with a dense layer; "maps", images to feature maps; or
        "augmented", a network of `way` classes with fast weights. `NETWORKS` has those for each.
    options: the constructor's other arguments.
    sequences: whether it is trained and scored on `kmeta.data.SequenceEpisodes`.
    """

    class_name: str
    network: str
    options: tuple
    sequences: bool = False


class Network(NamedTuple):
    """A layer that a recipe's `network` can name, of `kmeta.layers`, or else of `keras.layers`.

    kinds: of `Kind.network` that it can be.
    options: the constructor's arguments that a recipe can give.
    """

    kinds: tuple
    options: tuple


_CONV4 = ("filters", "downsampling", "features", "scale", "momentum", "epsilon")
NETWORKS = {  # of each kind the first is the one that needs no name
    "Conv4": Network(("embedding", "classifier"), _CONV4),
    "KochConvNet": Network(("embedding", "classifier"), ("features", "l2")),
    "Flatten": Network(("embedding", "classifier"), ()),
    "RelationEmbedding": Network(("maps",), ("filters",)),
    "AugmentedConvNet": Network(("augmented",), ("filters", "blocks", "features")),
}
LEARNERS = {
    "prototypical": Kind("PrototypicalNetwork", "embedding", ("distance", "scale", "bn_mode")),
    "matching": Kind(
        "MatchingNetwork", "embedding", ("full_context", "read_steps", "scale", "bn_mode")
    ),
    "r2d2": Kind("R2D2", "embedding", ("lam", "scale", "doubt", "views", "bn_mode")),
    "relation": Kind("RelationNetwork", "maps", ("bn_mode",)),
    "siamese": Kind("SiameseNetwork", "embedding", ("distance", "class_score", "bn_mode")),
    "mann": Kind(
        "MemoryAugmentedNetwork",
        "embedding",
        ("cell", "labels", "scale", "standardize", "bn_mode"),
        sequences=True,
    ),
    "maml": Kind(
        "MAML",
        "classifier",
        ("inner_steps", "inner_lr", "first_order", "test_inner_steps", "bn_mode", "remat"),
    ),
    "reptile": Kind(
        "Reptile",
        "classifier",
        ("inner_steps", "inner_lr", "inner_batch", "test_inner_steps", "test_inner_batch")
        + ("inner_optimizer", "bn_mode"),
    ),
    "lstm-meta-learner": Kind(
        "LSTMMetaLearner",
        "classifier",
        ("inner_steps", "test_inner_steps", "units", "bn_mode", "remat"),
    ),
    "metanet": Kind("MetaNetwork", "augmented", ("units",)),
}
