"""Trainings behind published numbers: the recipe of each, and the settings it is scored in.

`REPRODUCTIONS` holds them by name; `kmeta reproduce` makes them, `kmeta results` shows them.
"""

import difflib
from dataclasses import dataclass, field, replace

from kmeta.recipes import RECIPES
from kmeta.recipes.recipe import Recipe, Tasks

ONE_SHOT_RUNS = "omniglot-one-shot"
INDUCTIVE = ("support", "support+1")
MANN = {1: 0.364, 2: 0.828, 3: 0.910, 4: 0.926, 5: 0.949, 10: 0.981}
MANN_LSTM = {1: 0.244, 2: 0.495, 3: 0.553, 4: 0.610, 5: 0.636, 10: 0.625}
SEED = 20  # of the test tasks


@dataclass(frozen=True)
class Setting:
    """One way to score a trained learner.

    tasks: the `Tasks` of the score; None for the official one-shot runs of Omniglot.
    options: constructor arguments of the learner in place of those of training.
    published: accuracy, 0 to 1; of learners that read sequences `{instance: accuracy}`; of the
        one-shot runs the error; None where there is none.
    """

    tasks: Tasks | None
    options: dict = field(default_factory=dict)
    published: float | dict | None = None


@dataclass(frozen=True)
class Reproduction:
    """A training, and what it is scored in.

    name: of the reproduction and of its folder in `results/`.
    recipe: the training.
    settings: of the scores; the first one is that of the published number, or of the floor.
    seed_of: name of the reproduction of which this is another seed; None for the first.
    packaged: whether the learner comes with the package, so that it need not be trained.
    """

    name: str
    recipe: Recipe
    settings: tuple
    seed_of: str | None = None
    packaged: bool = False


def metric(split, published):
    """Settings of a metric learner: 5- and 20-way, 1- and 5-shot, by running statistics; the first
    also by those of the batch.

    published: `{(way, shot): accuracy}`.
    """
    settings = []
    for (way, shot), (query, steps) in {
        (5, 1): (15, 500),
        (5, 5): (15, 250),
        (20, 1): (5, 500),
        (20, 5): (5, 250),
    }.items():
        tasks = Tasks(split, way, shot, query, 4, steps, SEED)
        settings.append(Setting(tasks, {"bn_mode": "running"}, published.get((way, shot))))
    alone = replace(settings[0].tasks, tasks_per_step=1, steps=2000)  # a batch is one task
    return (*settings, Setting(alone, {"bn_mode": "batch"}))


def relation(split, published):
    """Settings of a Relation Network as published, with as many queries as shots, whose scores by
    the statistics of the batch and by running ones are far apart.

    One task at a time, since the statistics are those of all tasks of a step together.
    """
    settings = []
    for (way, shot), steps in {(5, 1): 10_000, (5, 5): 4000, (20, 1): 4000, (20, 5): 1000}.items():
        tasks = Tasks(split, way, shot, shot, 1, steps, SEED)
        settings += [
            Setting(tasks, {"bn_mode": "batch"}, published.get((way, shot))),
            Setting(tasks, {"bn_mode": "running"}),
        ]
    return tuple(settings)


def by_steps(split, published, steps, at, shot=1, query=1, tasks=10_000):
    """Settings of a learner by gradients, after each of `steps`, by the statistics of the batch;
    after `at` steps, as published, also by those of the support set."""
    test = Tasks(split, 5, shot, query, 20, tasks // 20, SEED)
    transductive = [
        Setting(
            test,
            {"bn_mode": "batch", "test_inner_steps": n},
            published if n == at else None,
        )
        for n in sorted(steps, key=lambda n: n != at)
    ]
    return (*transductive, *inductive(test, {"test_inner_steps": at}))


def inductive(test, options=None, published=None):
    """Settings in which no query depends on the others."""
    published = published or {}
    return tuple(
        Setting(test, {"bn_mode": mode, **(options or {})}, published.get(mode))
        for mode in INDUCTIVE
    )


def _seeds(reproduction, seeds):
    """The reproduction, and the same training by other seeds."""
    recipe = reproduction.recipe
    return [
        reproduction,
        *(
            replace(
                reproduction,
                name=f"{reproduction.name}-seed{seed}",
                recipe=replace(recipe, seed=seed, train=replace(recipe.train, seed=seed)),
                seed_of=reproduction.name,
            )
            for seed in seeds
        ),
    ]


def _made(name, settings, **more):
    return Reproduction(name, RECIPES[name], settings, **more)


_FEW = Tasks("random-test", 5, 1, 1, 20, 500, SEED)
_SEQUENCES = Tasks("random-test", 5, 10, 0, 20, 500, SEED)
_BACKGROUND = (
    Setting(None, published=0.137),  # as Lake et al. 2019 are quoted
    Setting(Tasks("evaluation", 20, 1, 5, 4, 500, SEED)),
    Setting(Tasks("evaluation", 20, 5, 5, 4, 250, SEED)),
)

_ALL = [
    *_seeds(
        _made(
            "prototypical-omniglot-5way-1shot",
            metric("test", {(5, 1): 0.988, (5, 5): 0.997, (20, 1): 0.960, (20, 5): 0.989}),
        ),
        (2, 3),
    ),
    *_seeds(
        _made(
            "matching-omniglot-5way-1shot",
            metric("test", {(5, 1): 0.981, (5, 5): 0.989, (20, 1): 0.938, (20, 5): 0.985}),
        ),
        (2, 3),
    ),
    _made("matching-fce-omniglot-5way-1shot", metric("test", {(5, 1): 0.981})),
    _made(
        "siamese-omniglot-5way-1shot",
        metric("test", {(5, 1): 0.967, (5, 5): 0.984, (20, 1): 0.880, (20, 5): 0.965}),
    ),
    _made(
        "relation-omniglot-5way-1shot",
        relation("random-test", {(5, 1): 0.996, (5, 5): 0.998, (20, 1): 0.976, (20, 5): 0.991}),
    ),
    _made("maml-omniglot-5way-1shot", by_steps("random-test", 0.987, steps=range(1, 11), at=3)),
    _made("fomaml-omniglot-5way-1shot", by_steps("random-test", 0.983, steps=range(1, 11), at=3)),
    _made(
        "reptile-omniglot-5way-1shot",
        (
            Setting(_FEW, {"bn_mode": "batch"}, 0.9768),
            *inductive(_FEW, published={"support+1": 0.9539}),
        ),
    ),
    _made(
        "lstm-meta-learner-omniglot-5way-5shot",
        tuple(
            Setting(Tasks("random-test", 5, 5, 15, 4, 500, SEED), {"bn_mode": mode}, published)
            for mode, published in (("running", 0.9722), ("batch", None), ("support", None))
        ),
    ),
    _made("mann-omniglot-5way", (Setting(_SEQUENCES, published=MANN),)),
    _made("mann-lstm-omniglot-5way", (Setting(_SEQUENCES, published=MANN_LSTM),)),
    _made(
        "metanet-omniglot-5way-1shot",
        (Setting(Tasks("random-test", 5, 1, 15, 4, 500, SEED), published=0.9895),),
    ),
    _made(
        "prototypical-omniglot",
        _BACKGROUND,
        packaged=True,
    ),
    _made("prototypical-omniglot-one-shot-runs", _BACKGROUND),
]
REPRODUCTIONS = {reproduction.name: reproduction for reproduction in _ALL}


def get(name):
    """Return the reproduction `name`; raises ValueError, with the nearest, where there is none."""
    if name in REPRODUCTIONS:
        return REPRODUCTIONS[name]
    near = difflib.get_close_matches(str(name), REPRODUCTIONS, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"There is nothing {name!r} to reproduce.{hint} See: kmeta reproduce list")
