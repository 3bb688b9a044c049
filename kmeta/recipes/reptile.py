"""Recipes of Reptile."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="reptile-omniglot-5way-1shot",
        learner="reptile",
        learner_options={
            "inner_steps": 5,
            "inner_lr": 1e-3,
            "inner_batch": 10,
            "test_inner_steps": 50,
            "test_inner_batch": 5,
            "bn_mode": "batch",
        },
        network={"downsampling": "stride", "epsilon": 1e-3},
        data="omniglot",
        rotations=True,
        test_rotations=False,  # as published
        train=Tasks("random-trainval", way=5, shot=10, query=1, tasks_per_step=5, steps=500),
        val=None,
        test=Tasks("random-test", way=5, shot=1, query=1, tasks_per_step=20, steps=50, seed=2),
        epochs=200,
        optimizer="sgd",
        learning_rate=1.0,
        anneal=True,
        intra_op_threads=1,
        target=0.9768,
        source="Nichol et al. 2018, table 1",
    ),
]
