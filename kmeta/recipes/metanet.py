"""Recipes of Meta Networks."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="metanet-omniglot-5way-1shot",
        learner="metanet",
        network={"filters": 64},
        data="omniglot",
        rotations=True,
        test_rotations=False,
        train=Tasks("random-trainval", way=5, shot=1, query=10, tasks_per_step=1, steps=100),
        val=None,
        test=Tasks("random-test", way=5, shot=1, query=15, tasks_per_step=4, steps=250, seed=2),
        epochs=210,
        learning_rate=1e-3,
        halve_from=20_000,  # the paper's rate is constant
        halve_every=250,
        clip_norm=0.2,  # 10 for the sum over 50 queries, as published; the loss here is their mean
        intra_op_threads=1,
        target=0.9895,
        source="Munkhdalai & Yu 2017, table 1",
    ),
]
