"""Recipes of Relation Networks."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="relation-omniglot-5way-1shot",
        learner="relation",
        learner_options={"bn_mode": "batch"},
        data="omniglot",
        rotations=True,
        train=Tasks("random-trainval", way=5, shot=1, query=19, tasks_per_step=1, steps=200),
        val=None,
        test=Tasks("random-test", way=5, shot=1, query=1, tasks_per_step=1, steps=1000, seed=2),
        epochs=300,  # published: 1,000,000 episodes, ten halvings
        learning_rate=1e-3,
        halve_every=10000,
        intra_op_threads=1,
        clip_norm=0.5,
        target=0.996,
        source="Sung et al. 2018, table 1",
    ),
]
