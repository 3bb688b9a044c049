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
        epochs=150,  # after 15,000 steps the rate is below 1e-5
        learning_rate=1e-3,
        halve_every=2000,
        intra_op_threads=1,
        seed=1,
        target=0.988,
        source="Snell et al. 2017, table 1",
    ),
    # The learner that comes with the package: trained on the background alphabets alone, on
    # drawings made small in both ways, that of the papers and that of pictures of users.
    Recipe(
        name="prototypical-omniglot",
        learner="prototypical",
        learner_options={"bn_mode": "running"},
        data="omniglot",
        data_options={"antialias": "mixed"},
        rotations=True,
        train=Tasks("background", way=60, shot=1, query=5, tasks_per_step=1, steps=100, seed=1),
        val=None,
        test=Tasks("evaluation", way=20, shot=5, query=5, steps=250, seed=7),
        epochs=30,
        learning_rate=1e-3,
        halve_every=500,
        seed=1,
    ),
    # For the official one-shot runs: trained on the background alphabets alone, on drawings that
    # are distorted as those of Koch et al. 2015 and made small as those of the runs are.
    Recipe(
        name="prototypical-omniglot-one-shot-runs",
        learner="prototypical",
        learner_options={"bn_mode": "running"},
        data="omniglot",
        data_options={"antialias": True},
        rotations=True,
        test_rotations=False,
        distortions=True,
        train=Tasks("background", way=60, shot=1, query=5, tasks_per_step=1, steps=100, seed=1),
        val=None,
        test=Tasks("evaluation", way=20, shot=1, query=5, steps=250, seed=7),
        epochs=150,
        learning_rate=1e-3,
        halve_every=2000,
        intra_op_threads=1,
        seed=1,
    ),
]
