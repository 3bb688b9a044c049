"""Recipes of Model-Agnostic Meta-Learning."""

from kmeta.recipes.recipe import Recipe, Tasks

OMNIGLOT_NETWORK = {
    "downsampling": "stride",
    "features": "mean",
    "scale": False,
    "momentum": 0.9,
    "epsilon": 1e-3,
}

RECIPES = [
    Recipe(
        name="maml-omniglot-5way-1shot",
        learner="maml",
        learner_options={
            "inner_steps": 1,
            "inner_lr": 0.4,
            "test_inner_steps": 3,
            "bn_mode": "batch",
        },
        network=OMNIGLOT_NETWORK,
        head_stddev=1.0,
        data="omniglot",
        rotations=True,
        train=Tasks("train", way=5, shot=1, query=1, tasks_per_step=32, steps=100),
        val=Tasks("val", way=5, shot=1, query=1, tasks_per_step=32, steps=16, seed=1),
        test=Tasks("test", way=5, shot=1, query=1, tasks_per_step=32, steps=32, seed=2),
        val_every=5,
        epochs=100,
        learning_rate=1e-3,
        target=0.987,
        source="Finn et al. 2017, table 1",
    ),
]
