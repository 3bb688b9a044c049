"""Recipes of Matching Networks."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="matching-omniglot-5way-1shot",
        learner="matching",
        learner_options={"scale": 30.0, "bn_mode": "running"},
        data="omniglot",
        rotations=True,
        train=Tasks("trainval", way=60, shot=1, query=5, tasks_per_step=1, steps=100, seed=1),
        val=None,
        test=Tasks("test", way=5, shot=1, query=15, steps=250, seed=2),
        epochs=150,
        learning_rate=1e-3,
        halve_every=2000,
        intra_op_threads=1,
        seed=1,
        target=0.981,
        source="Vinyals et al. 2016, table 1",
    ),
    # The learner that comes with the package: trained on the background alphabets alone.
    Recipe(
        name="matching-omniglot",
        learner="matching",
        learner_options={"scale": 30.0, "bn_mode": "running"},
        data="omniglot",
        rotations=True,
        train=Tasks("background", way=60, shot=1, query=5, tasks_per_step=1, steps=100),
        val=None,
        test=Tasks("test", way=5, shot=1, query=15, steps=250, seed=2),
        epochs=20,
        learning_rate=1e-3,
        halve_every=400,
    ),
    Recipe(
        name="matching-fce-omniglot-5way-1shot",
        learner="matching",
        learner_options={
            "full_context": True,
            "read_steps": 3,
            "scale": 10.0,
            "bn_mode": "running",
        },
        data="omniglot",
        rotations=True,
        train=Tasks("trainval", way=5, shot=1, query=5, tasks_per_step=12, steps=100, seed=1),
        val=None,
        test=Tasks("test", way=5, shot=1, query=15, steps=250, seed=2),
        epochs=100,
        learning_rate=1e-3,
        halve_every=2000,
        intra_op_threads=1,
        seed=1,
        target=0.981,
        source="Vinyals et al. 2016, table 1, which states no gain by full context on Omniglot",
    ),
]
