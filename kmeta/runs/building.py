"""From a recipe to the learner and the optimizer it describes."""

import keras

from kmeta import layers, learners
from kmeta.learners.restoring import layer_class
from kmeta.recipes.checking import check
from kmeta.recipes.learners import LEARNERS, NETWORKS


def make_learner(recipe):
    """Return the learner of a recipe, not yet built, with weights drawn by the recipe's seed.

    Sets the global random seeds of Python, NumPy and Keras.

    Raises ValueError, naming the field, where the recipe holds what it may not.
    """
    check(recipe)
    keras.utils.set_random_seed(recipe.seed)
    kind = LEARNERS[recipe.learner]
    options = dict(recipe.network)
    default = next(name for name, layer in NETWORKS.items() if kind.network in layer.kinds)
    layer = options.pop("layer", default)
    if kind.network == "augmented":
        options["way"] = recipe.train.way
    network = (getattr(layers, layer, None) or layer_class(layer))(**options)
    if kind.network == "classifier":
        network = keras.Sequential([network, _head(recipe)])
    options = dict(recipe.learner_options)
    if kind.sequences:
        options["way"] = recipe.train.way
    return getattr(learners, kind.class_name)(network, **options)


def make_optimizer(recipe):
    """Return the recipe's optimizer with its learning rate, or with its schedule."""
    check(recipe)
    kinds = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    rate = recipe.learning_rate
    if recipe.anneal:
        rate = keras.optimizers.schedules.PolynomialDecay(
            rate, recipe.epochs * recipe.train.steps, 0.0
        )
    elif recipe.halve_from is not None:
        steps = recipe.epochs * recipe.train.steps
        ends = range(recipe.halve_from - 1, max(recipe.halve_from, steps), recipe.halve_every)
        ends = list(ends[:64])  # what is left then is nothing
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            ends, [rate / 2**halvings for halvings in range(len(ends) + 1)]
        )
    elif recipe.halve_every is not None:
        rate = keras.optimizers.schedules.ExponentialDecay(
            rate, recipe.halve_every, 0.5, staircase=True
        )
    return kinds[recipe.optimizer](rate, global_clipnorm=recipe.clip_norm)


def ready(learner, recipe, image_shape):
    """Return the learner, built for images of a shape and compiled with the recipe's optimizer."""
    learner.build(image_shape)
    learner.compile(optimizer=make_optimizer(recipe))
    learner.optimizer.build(learner.trainable_variables)
    return learner


def _head(recipe):
    if recipe.head_stddev is None:
        return keras.layers.Dense(recipe.train.way)
    weights = keras.initializers.RandomNormal(stddev=recipe.head_stddev)
    return keras.layers.Dense(recipe.train.way, kernel_initializer=weights)
