"""The recipe of `kmeta demo`: one to two minutes on two processor cores, no download."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="demo-glyphs",
        learner="prototypical",
        data="glyphs",
        train=Tasks("train", way=20, shot=1, query=5, tasks_per_step=1, steps=50),
        val=Tasks("val", way=5, shot=1, query=5, steps=25, seed=1),
        test=Tasks("test", way=5, shot=1, query=5, steps=150, seed=2),
        epochs=12,
        halve_every=200,
    ),
]
