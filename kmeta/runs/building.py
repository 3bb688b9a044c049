"""From a recipe to the learner and the optimizer it describes."""

import keras

import kmeta
from kmeta import layers
from kmeta.recipes.learners import LEARNERS

LAYERS = {  # by `Kind.network`
    "embedding": "Conv4",
    "classifier": "Conv4",
    "maps": "RelationEmbedding",
    "augmented": "AugmentedConvNet",
}


def make_learner(recipe):
    """Return the learner of a recipe, not yet built, with weights drawn by the recipe's seed.

    Sets the global random seeds of Python, NumPy and Keras.
    """
    keras.utils.set_random_seed(recipe.seed)
    kind = LEARNERS[recipe.learner]
    options = dict(recipe.network)
    layer = options.pop("layer", LAYERS[kind.network])
    if kind.network == "augmented":
        options["way"] = recipe.train.way
    network = getattr(layers if hasattr(layers, layer) else keras.layers, layer)(**options)
