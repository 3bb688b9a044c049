"""Recipes of the LSTM meta-learner."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="lstm-meta-learner-omniglot-5way-5shot",
        learner="lstm-meta-learner",
        learner_options={"inner_steps": 5, "bn_mode": "running"},
        # the authors' momentum of 0.95 is the share of the new statistics: 0.05 as Keras counts
        network={"filters": 32, "downsampling": "stride", "momentum": 0.05, "epsilon": 1e-3},
        data="omniglot",
        rotations=True,
        train=Tasks("random-train", way=5, shot=5, query=15, tasks_per_step=1, steps=500),
        val=Tasks("random-val", way=5, shot=5, query=15, tasks_per_step=4, steps=50, seed=1),
        val_every=5,
        test=Tasks("random-test", way=5, shot=5, query=15, tasks_per_step=4, steps=250, seed=2),
        epochs=100,
        learning_rate=1e-3,
        clip_norm=0.25,
        target=0.9722,
        source="as run by Cheng et al. 2019; Ravi & Larochelle 2017 give no number for Omniglot",
    ),
]
