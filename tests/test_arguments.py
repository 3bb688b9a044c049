"""Every number, boolean and choice that a public constructor takes is checked, by its name.

The constructors and their arguments are read from the signatures: a new class, or a new argument,
is tested without a word here, or has to be excused.
"""

import inspect

import keras
import numpy as np
import pytest
from public_names import public_callables

import kmeta
from kmeta import checks

WHOLE = [-1, 1.5, "a", True, np.nan, np.True_, [1]]
REAL = [-1.0, "a", np.inf, np.nan, True, [1.0]]
TRUTH = ["no", 1, 0.0, np.int64(1), np.array([True])]
CHOICE = ["no such", 3, ["no such"]]
WRONG = {bool: TRUTH, int: WHOLE, float: REAL, str: CHOICE}
# kinds of what is None by default
BY_NAME = {
    "test_inner_steps": WHOLE,
    "inner_batch": WHOLE,
    "test_inner_batch": WHOLE,
    "family": CHOICE,
    "inner_lr": [*REAL[:-1], [-1.0]],
    "bn_mode": CHOICE,
}
OBJECTS = {  # arguments that are neither number, boolean nor choice
    *("embedding", "network", "support_embedding", "relation_module", "dataset", "learner"),
    *("state", "class_names", "alpha_initializer", "bias_initializer", "images", "labels"),
    *("familiarity", "name", "kwargs", "args"),
}
OTHERS = {  # classes whose arguments are checked elsewhere, or that are results
    "kmeta.MetaLearner": "a base class",
    "kmeta.layers.BatchNormalization": "the arguments are those of Keras",
    "kmeta.FewShotClassifier": "tests/few_shot: names of networks, folders and pictures",
    "kmeta.recipes.Recipe": "tests/recipes: a recipe is checked as a whole, in `build`",
    "kmeta.recipes.Tasks": "tests/recipes: checked by the sampler it is given to",
}
RESULTS = ("evaluation", "exporting", "few_shot", "runs", "plots", "report")


def constructors():
    for name, thing in public_callables():
        fields = hasattr(thing, "_fields")
        if inspect.isclass(thing) and not fields and name.split(".")[1] not in RESULTS:
            yield name, thing


def cases():
    for name, thing in constructors():
        if name in OTHERS:
            continue
        for parameter in inspect.signature(thing).parameters.values():
            values = BY_NAME.get(parameter.name, WRONG.get(type(parameter.default)))
            if parameter.name in OBJECTS - {"labels"} or values is None:
                continue
            for value in values:
                yield pytest.param(
                    thing, parameter.name, value, id=f"{name}-{parameter.name}-{value!r}"
                )


def given(thing):
    """Arguments that a constructor needs."""
    dataset = kmeta.data.from_arrays(np.zeros((60, 4, 4, 1), "uint8"), np.arange(60) % 3)
    dense = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
    ready = {"embedding": dense, "network": dense, "dataset": dataset, "family": "vgg16"}
    if thing is kmeta.MetaNetwork:
        ready |= {"network": kmeta.layers.AugmentedConvNet(3, 2, 1, 2), "embedding": None}
    if thing is kmeta.Classifier:
        learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
        learner.build((4, 4, 1))
        ready |= {"learner": learner, "state": {"prototypes": np.zeros((1, 3, 16))}}
        ready["class_names"] = ["a", "b", "c"]
    if thing in (kmeta.Episodes, kmeta.data.SequenceEpisodes):
        ready["way"] = 3
    return {name: ready[name] for name in inspect.signature(thing).parameters if name in ready}


@pytest.mark.parametrize(("thing", "name", "value"), list(cases()))
def test_wrong_arguments_are_named(thing, name, value):
    with pytest.raises(ValueError, match=f"`{name}`"):
        thing(**{**given(thing), name: value})


def test_no_argument_goes_unnoticed():
    """Each is a number, a boolean, a choice, or said to be an object."""
    unknown = [
        (name, parameter.name)
        for name, thing in constructors()
        if name not in OTHERS
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name not in BY_NAME | dict.fromkeys(OBJECTS)
        and type(parameter.default) not in WRONG
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("thing", "name", "value", "plain"),
    [
        (kmeta.MAML, "first_order", np.True_, True),
        (kmeta.MAML, "inner_steps", np.int64(2), 2),
        (kmeta.MAML, "inner_lr", np.float32(0.5), 0.5),
        (kmeta.Reptile, "seed", np.uint8(7), 7),
        (kmeta.PrototypicalNetwork, "distance", np.str_("cosine"), "cosine"),
        (kmeta.MatchingNetwork, "full_context", np.True_, True),
        (kmeta.layers.Conv4, "filters", np.int32(4), 4),
        (kmeta.Episodes, "rotations", np.True_, True),
        (kmeta.Episodes, "way", np.int16(2), 2),
    ],
)
def test_numpy_values_are_taken_everywhere_and_kept_plain(thing, name, value, plain):
    made = thing(**{**given(thing), name: value})
    if thing is not kmeta.Episodes:
        assert made.get_config()[name] == plain and type(made.get_config()[name]) is type(plain)


def test_what_the_checks_say():
    with pytest.raises(ValueError, match="`a` must be a finite number from 0 to 1. Received: a=2"):
        checks.number("a", 2, 0, 1)
    with pytest.raises(ValueError, match="`a` must be a finite number of at least 0. Received"):
        checks.number("a", -1, 0)
    with pytest.raises(ValueError, match="`a` must be a finite number. Received: a=nan"):
        checks.number("a", np.nan)
    with pytest.raises(ValueError, match=r"`a` must be one of \[None, 1\]. Received: a=True"):
        checks.one_of("a", True, (None, 1))
    assert checks.one_of("a", np.int64(1), (None, 1)) == 1
    assert checks.number("a", np.float64(3), 3, 3) == 3.0
