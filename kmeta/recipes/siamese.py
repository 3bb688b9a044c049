"""Recipes of Siamese networks."""

from kmeta.recipes.recipe import Recipe, Tasks

RECIPES = [
    Recipe(
        name="siamese-omniglot-5way-1shot",
        learner="siamese",
        learner_options={"distance": "l1", "bn_mode": "running"},
        data="omniglot",
        rotations=True,
        train=Tasks("trainval", way=60, shot=1, query=5, tasks_per_step=1, steps=100, seed=1),
        val=None,
        test=Tasks("test", way=5, shot=1, query=15, steps=250, seed=2),
        epochs=100,
        learning_rate=1e-3,
        halve_every=1500,
        intra_op_threads=1,
        seed=1,
        target=0.967,
        source="a convolutional Siamese net in Vinyals et al. 2016, table 1",
    ),
    # The published network on the published kind of data: 200 epochs of 150,000 distorted pairs are
    # about 234,000 steps. Needs a GPU. The published score, 92.0 %, is on one-shot runs inside
    # alphabets: `kmeta evaluate RUN --benchmark omniglot-one-shot` gives the error on the official
    # ones. The published SGD, one rate and penalty a layer, is not printed; Adam stands in.
    Recipe(
        name="siamese-koch-omniglot",
        learner="siamese",
        learner_options={"distance": "l1", "bn_mode": "running"},
        network={"layer": "KochConvNet"},
        data="omniglot",
        data_options={"size": 105},
        pairs={"batch_size": 128, "distortions": True},
        train=Tasks("background", way=20, shot=1, query=1, steps=1000),
        val=None,
        test=Tasks("evaluation", way=20, shot=1, query=1, tasks_per_step=1, steps=1000, seed=2),
        epochs=100,
        learning_rate=1e-4,
        halve_every=25000,
    ),
]
