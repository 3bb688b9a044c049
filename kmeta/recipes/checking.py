"""What a recipe may hold: an allow-list, field by field, since recipes come from files too.

Nothing is made of a recipe but what is named here: learners, layers, data sets and plain values.
"""

import re

from kmeta.checks import is_finite, one_of, positive, seed_number, true_or_false, whole_number
from kmeta.recipes.learners import LEARNERS, NETWORKS

MOST = 2**31 - 1
WIDEST = 4096  # filters, features and units, since a layer has their square of weights
LARGEST = 2048  # pixels


def check(recipe):
    """Raise ValueError, naming the field, unless a `Recipe` holds what can be trained."""
    for name in ("name", "source", "data"):
        text(name, getattr(recipe, name))
    if recipe.data.startswith("tfds:") and not re.fullmatch(r"tfds:[\w/.\-+]+", recipe.data):
        raise ValueError(f"Argument `data` must be tfds:NAME. Received: data={recipe.data!r}")
    learner = one_of("learner", text("learner", recipe.learner), tuple(LEARNERS))
    _options("learner_options", recipe.learner_options, LEARNERS[learner].options)
    _network(recipe)
    _options("data_options", recipe.data_options, tuple(DATA))
    if recipe.pairs is not None:
        if learner != "siamese":
            raise ValueError(f"Argument `pairs` is of siamese alone. Received: learner={learner!r}")
        _options("pairs", recipe.pairs, ("batch_size", "distortions", "within_groups"))
    for name in ("train", "val", "test"):
        tasks = getattr(recipe, name)
        if name != "val" or tasks is not None:
            _tasks(name, tasks, LEARNERS[learner].sequences)
    _training(recipe)


def _training(recipe):
    for name in ("rotations", "distortions", "anneal"):
        true_or_false(name, getattr(recipe, name))
    if recipe.test_rotations is not None:
        true_or_false("test_rotations", recipe.test_rotations)
    for name in ("epochs", "val_every"):
        whole_number(name, getattr(recipe, name), most=MOST)
    positive("learning_rate", recipe.learning_rate)
    for name in ("head_stddev", "clip_norm"):
        if getattr(recipe, name) is not None:
            positive(name, getattr(recipe, name))
    if recipe.halve_every is not None:
        whole_number("halve_every", recipe.halve_every, most=MOST)
        if recipe.anneal:
            raise ValueError("A recipe has either `anneal` or `halve_every`. Received: both")
    if recipe.halve_from is not None:
        whole_number("halve_from", recipe.halve_from, most=MOST)
        if recipe.halve_every is None:
            raise ValueError("Argument `halve_from` is of `halve_every`, which is not given")
    one_of("optimizer", text("optimizer", recipe.optimizer), ("adam", "sgd"))
    whole_number("intra_op_threads", recipe.intra_op_threads, least=0, most=1024)
    seed_number(recipe.seed)
    if recipe.target is not None:
        positive("target", recipe.target)


def _tasks(part, tasks, sequences):
    text(f"{part}.split", tasks.split)
    for name in ("way", "shot", "query", "tasks_per_step", "steps"):
        least = 0 if name == "query" and sequences else 1
        whole_number(f"{part}.{name}", getattr(tasks, name), least, MOST)
    whole_number(f"{part}.seed", tasks.seed, least=0, most=2**32 - 1)


def _network(recipe):
    kind = LEARNERS[recipe.learner].network
    options = dict(mapping("network", recipe.network))
    layers = [name for name, layer in NETWORKS.items() if kind in layer.kinds]
    layer = one_of("network.layer", options.pop("layer", layers[0]), layers)
    _options("network", options, NETWORKS[layer].options)


def _options(field, options, known):
    for name, value in mapping(field, options).items():
        one_of(field, name, known)
        try:
            KINDS[name](f"{field}.{name}", value)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"Argument `{field}.{name}`: {error}") from error


def mapping(name, value):
    """Return `value`, or raise ValueError unless it is a dictionary with names for keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"Argument `{name}` must be a dictionary. Received: {name}={value!r}")
    return value


def text(name, value):
    """Return `value`, or raise ValueError unless it is a string without control characters."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"Argument `{name}` must be plain text. Received: {name}={value!r}")
    return value


def _size(name, value):
    sides = value if isinstance(value, (list, tuple)) and len(value) == 2 else [value]
    for side in sides if value is not None else ():
        whole_number(name, side, most=LARGEST)


def _number(name, value):
    if not is_finite(value) or value < 0:
        raise ValueError(f"Argument `{name}` must be a number of at least 0. Received: {value!r}")


def _count(most=MOST, least=1):
    return lambda name, value: whole_number(name, value, least, most)


def _steps_or_none(name, value):
    if value is not None:
        whole_number(name, value, 0, MOST)


def _antialias(name, value):
    if value != "mixed":
        true_or_false(name, value)


DATA = {
    "size": _size,
    "channels": lambda name, value: value is None or one_of(name, value, (1, 3)),
    "invert": true_or_false,
    "antialias": _antialias,
    "seed": _count(2**32 - 1, least=0),
    "drawers": _count(1000),
}
KINDS = {  # of options, by name
    **DATA,
    **dict.fromkeys(("bn_mode", "distance", "class_score", "cell", "labels"), text),
    **dict.fromkeys(("inner_optimizer", "downsampling"), text),
    **dict.fromkeys(("full_context", "standardize", "first_order", "remat"), true_or_false),
    **dict.fromkeys(("distortions", "within_groups"), true_or_false),
    **dict.fromkeys(("read_steps", "inner_steps", "inner_batch", "test_inner_batch"), _count()),
    **dict.fromkeys(("units", "filters", "batch_size"), _count(WIDEST)),
    **dict.fromkeys(("inner_lr", "lam"), positive),
    **dict.fromkeys(("momentum", "epsilon", "l2"), _number),
    "test_inner_steps": _steps_or_none,
    "blocks": _count(16),
    "features": lambda name, value: isinstance(value, str) or whole_number(name, value, 1, WIDEST),
    "scale": lambda name, value: isinstance(value, bool) or positive(name, value),
}
