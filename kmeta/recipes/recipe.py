"""What decides a training run, as plain values that go to JSON and back."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from kmeta.recipes.checking import check, mapping


@dataclass(frozen=True)
class Tasks:
    """The episodes of one split; the fields are those of `kmeta.Episodes`.

    Of learners that read sequences, `shot` counts the instances of a class, and `query` is 0.

    >>> Tasks("test", shot=5).way
    5
    """

    split: str
    way: int = 5
    shot: int = 1
    query: int = 15
    tasks_per_step: int = 4
    steps: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """Settings of a training run; for a published number also that number and its source.

    name: of the recipe.
    learner: key of `kmeta.recipes.learners.LEARNERS`.
    learner_options: arguments of the learner's constructor, after its network.
    network: arguments of the learner's network, see `kmeta.recipes.learners.Kind`; `layer` names
        another one of `kmeta.recipes.learners.NETWORKS`.
    head_stddev: learners that need class logits get a dense layer on top; its weights are drawn
        from N(0, head_stddev). None: Keras' default.
    data: name for `kmeta.data.load`, or a folder of pictures.
    data_options: further arguments of the data source.
    rotations: turned classes are new classes, in training and in tests.
    test_rotations: the same of the test alone. None: as `rotations`.
    distortions: images of training are distorted a little, see `kmeta.data.Episodes` and
        `kmeta.data.SequenceEpisodes`. Pairs have an argument of their own.
    pairs: arguments of `kmeta.data.VerificationPairs`, to train on pairs of images, not on tasks.
        Split, steps and seed are those of `train`.
    train, val, test: `Tasks`. Without `val`, the last weights are the result; with it, the best.
    val_every: epochs between validations.
    epochs: of `train.steps` steps each.
    optimizer: "adam", or "sgd", which for Reptile is the published interpolation.
    learning_rate, halve_every, halve_from: of it; the rate is halved each `halve_every` steps, for
        the first time after as many, or after `halve_from`. None: never.
    anneal: the rate falls linearly to 0 over the run; without `halve_every`.
    clip_norm: largest norm of all gradients together; larger ones are scaled down. None: any.
    intra_op_threads: in which one operation runs on the CPU, see `kmeta train --help`; 0 leaves it
        to TensorFlow. Weights may differ by it in the last digits.
    seed: of the initial weights and of all else that is random in training, tasks excepted.
    target: published accuracy, 0 to 1, and `source`, where it is published.

    >>> recipe = Recipe(learner="prototypical", data="glyphs", epochs=3)
    >>> Recipe.from_dict(recipe.to_dict()) == recipe
    True
    """

    name: str = "custom"
    learner: str = "prototypical"
    learner_options: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    head_stddev: float | None = None
    data: str = "omniglot"
    data_options: dict[str, Any] = field(default_factory=dict)
    rotations: bool = False
    test_rotations: bool | None = None
    distortions: bool = False
    pairs: dict[str, Any] | None = None
    train: Tasks = Tasks("train", query=5)
    val: Tasks | None = Tasks("val", steps=50, seed=1)
    test: Tasks = Tasks("test", steps=250, seed=2)
    val_every: int = 1
    epochs: int = 20
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    halve_every: int | None = None
    halve_from: int | None = None
    anneal: bool = False
    clip_norm: float | None = None
    intra_op_threads: int = 0
    seed: int = 0
    target: float | None = None
    source: str = ""

    def turned(self, tasks: Tasks) -> bool:
        """Whether turned classes are new classes in `tasks`, which are `train`, `val` or `test`."""
        own = self.test_rotations
        return self.rotations if own is None or tasks is not self.test else own

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as nested dictionaries of JSON values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """Return the recipe of such dictionaries; fields that are not there are as by default.

        Raises ValueError, naming the field, where something is not as `Recipe` describes it.
        """
        values = _known(cls, "recipe", values)
        if "learner" not in values or "train" not in values:
            raise ValueError("A recipe must have at least the fields `learner` and `train`")
        for part in ("train", "val", "test"):
            if values.get(part) is not None:
                tasks = _known(Tasks, part, values[part])
                if "split" not in tasks:
                    raise ValueError(f"The field `{part}` of a recipe has no `split`")
                values[part] = Tasks(**tasks)
            elif part != "val" and part in values:
                raise ValueError(f"The field `{part}` of a recipe must not be null")
        recipe = cls(**values)
        check(recipe)
        return recipe


def _known(kind, name, values):
    """The values, as a new dictionary, if they are fields of a data class."""
    names = {known.name for known in dataclasses.fields(kind)}
    unknown = sorted(set(mapping(name, values)) - names)
    if unknown:
        raise ValueError(f"Unknown fields of {name}: {', '.join(map(repr, unknown))}")
    return dict(values)


def differences(old, new):
    """Return what two recipes differ in: `[(field, value in old, value in new)]`, names dotted."""
    old, new = flat(old.to_dict()), flat(new.to_dict())
    return [
        (name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def flat(values, prefix=""):
    """Return nested dictionaries as one, `{"train.way": 5}`."""
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[prefix + name] = value
    return found
