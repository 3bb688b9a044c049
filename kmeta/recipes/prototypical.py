"""Recipes of Prototypical Networks."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="prototypical-omniglot-5way-1shot",
        learner="prototypical",
        learner_options={"bn_mode": "running"},
        data="omniglot",
        rotations=True,
        train=Tasks("trainval", way=60, shot=1, query=5, tasks_per_step=1, steps=100, seed=1),
        val=None,
        test=Tasks("test", way=5, shot=1, query=15, steps=250, seed=7),
        epochs=24,
        learning_rate=1e-3,
        halve_every=400,
        seed=1,
        target=0.988,
        source="Snell et al. 2017, table 1",
    ),
]
