"""Recipes of Memory-Augmented Neural Networks."""

from dataclasses import replace

from kmeta.recipes.recipe import Recipe, Tasks

MANN = Recipe(
    name="mann-omniglot-5way",
    learner="mann",
    learner_options={"cell": "memory", "labels": "one_hot", "scale": 20.0},
    network={"layer": "Flatten"},
    data="omniglot",
    data_options={"size": 20},
    rotations=True,
    train=Tasks("trainval", way=5, shot=10, query=0, tasks_per_step=16, steps=100),
    val=None,
    test=Tasks("test", way=5, shot=10, query=0, tasks_per_step=20, steps=50, seed=2),
    epochs=250,
    learning_rate=1e-3,
    halve_every=10000,
    clip_norm=10.0,
    target=0.981,
    source="Santoro et al. 2016, table 1, at the tenth instance of a class; 82.8 % at the second",
)

RECIPES = [
    MANN,
    replace(
        MANN,
        name="mann-lstm-omniglot-5way",
        learner_options={"cell": "lstm", "labels": "one_hot"},
        target=0.625,
        source="the baseline without memory in Santoro et al. 2016, table 1, at the tenth instance",
    ),
]
