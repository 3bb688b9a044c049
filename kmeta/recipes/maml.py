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
        train=Tasks("random-trainval", way=5, shot=1, query=1, tasks_per_step=32, steps=100),
        val=None,
        test=Tasks("random-test", way=5, shot=1, query=1, tasks_per_step=20, steps=50, seed=2),
        epochs=600,
        learning_rate=1e-3,
        intra_op_threads=1,
        target=0.987,
        source="Finn et al. 2017, table 1",
    ),
    Recipe(
        name="fomaml-omniglot-5way-1shot",
        learner="maml",
        learner_options={
            "inner_steps": 1,
            "inner_lr": 0.4,
            "first_order": True,
            "test_inner_steps": 3,
            "bn_mode": "batch",
        },
        network=OMNIGLOT_NETWORK,
        head_stddev=1.0,
        data="omniglot",
        rotations=True,
        train=Tasks("random-trainval", way=5, shot=1, query=1, tasks_per_step=32, steps=100),
        val=None,
        test=Tasks("random-test", way=5, shot=1, query=1, tasks_per_step=20, steps=50, seed=2),
        epochs=600,
        learning_rate=1e-3,
        intra_op_threads=1,
        target=0.983,
        source="Nichol et al. 2018, table 1",
    ),
]
