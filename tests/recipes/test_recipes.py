"""Recipes: that they say what is built, and that every option changes what it names."""

import inspect
import shutil
from dataclasses import fields, replace

import keras
import numpy as np
import pytest

import kmeta
from kmeta import recipes
from kmeta.data.omniglot import characters
from kmeta.recipes import Recipe, Tasks, changes
from kmeta.recipes.changes import changed, with_episodes
from kmeta.recipes.learners import LEARNERS
from kmeta.recipes.recipe import differences
from kmeta.runs.building import make_learner, make_optimizer
from kmeta.runs.data import (
    check_room,
    divided,
    load_data,
    load_split,
    make_training_data,
    parts,
    sequence_labels,
)


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=list(recipes.RECIPES))
def test_every_recipe_builds_and_survives_json(recipe):
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    learner = make_learner(recipe)
    size = recipe.data_options.get("size", 28)
    learner.build((size, size, 1))
    assert type(learner).__name__ == LEARNERS[recipe.learner].class_name
    for name, value in recipe.learner_options.items():
        assert getattr(learner, name) == value
    assert (recipe.target is None) == (recipe.source == "")


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'demo-glyphs'"):
        recipes.get("demo-glyph")


@pytest.mark.parametrize("kind", LEARNERS.values(), ids=list(LEARNERS))
def test_the_table_has_every_option_of_a_learner(kind):
    parameters = list(inspect.signature(getattr(kmeta, kind.class_name)).parameters)
    only_python = {"support_embedding", "relation_module"}  # networks other than the papers'
    only_python |= {"alpha_initializer", "bias_initializer"}
    only_python |= {"inner_loss", "seed"}  # recipes make classifiers; their seed is another
    only_python |= {"way"} if kind.sequences else set()  # that of the tasks
    only_python |= {"embedding"}  # of Meta Networks, where it is not the first argument
    only_python |= {"many"}  # changes time and memory of what is exported, and no answer
    assert set(kind.options) == set(parameters[1:]) - {"kwargs", *only_python}


def test_options_change_fields_that_there_are():
    assert set(changes.TASKS) < {field.name for field in fields(Tasks)}
    assert set(changes.PLAIN) < {field.name for field in fields(Recipe)}


def test_the_head_is_as_wide_as_the_way_and_as_the_recipe_draws_it():
    recipe = recipes.get("maml-omniglot-5way-1shot")
    learner = make_learner(recipe)
    learner.build((28, 28, 1))
    kernel = np.array(learner.network.layers[-1].kernel)
    assert kernel.shape == (64, 5)
    assert 0.8 < kernel.std() < 1.2
    default = make_learner(changed(Recipe(), {"learner": "maml", "way": 7}))
    default.build((28, 28, 1))
    kernel = np.array(default.network.layers[-1].kernel)
    assert kernel.shape == (64, 7)
    assert kernel.std() < 0.3


def test_the_seed_decides_the_first_weights():
    def kernel(seed):
        learner = make_learner(Recipe(seed=seed, network={"filters": 2}))
        learner.build((28, 28, 1))
        return np.array(learner.network.convolutions[0].kernel)

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert np.abs(kernel(1) - kernel(2)).max() > 0.01


def test_the_learning_rate_is_halved_as_told():
    assert float(make_optimizer(Recipe(learning_rate=0.5)).learning_rate) == 0.5
    schedule = make_optimizer(Recipe(learning_rate=0.5, halve_every=10))._learning_rate
    assert isinstance(schedule, keras.optimizers.schedules.ExponentialDecay)
    rates = [float(schedule(step)) for step in (0, 9, 10, 20)]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.25, 0.125])
    schedule = make_optimizer(Recipe(learning_rate=0.5, halve_from=20, halve_every=3))
    rates = [float(schedule._learning_rate(step)) for step in (0, 19, 20, 22, 23)]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.25, 0.25, 0.125])
    make_optimizer(Recipe(halve_from=1, halve_every=1, epochs=2**31 - 1))  # no list of as many
    with pytest.raises(ValueError, match="`halve_from` is of `halve_every`"):
        make_optimizer(Recipe(halve_from=20))


def test_the_learning_rate_falls_to_zero_over_the_run():
    recipe = Recipe(learning_rate=0.5, anneal=True, epochs=2, train=Tasks("train", steps=4))
    schedule = make_optimizer(recipe)._learning_rate
    rates = [float(schedule(step)) for step in (0, 2, 4, 8)]
    np.testing.assert_allclose(rates, [0.5, 0.375, 0.25, 0.0])
    with pytest.raises(ValueError, match="either `anneal` or `halve_every`"):
        make_optimizer(replace(recipe, halve_every=3))


def test_the_optimizer_is_the_one_asked_for():
    assert isinstance(make_optimizer(Recipe()), keras.optimizers.Adam)
    assert isinstance(make_optimizer(Recipe(optimizer="sgd")), keras.optimizers.SGD)
    with pytest.raises(ValueError, match="must be one of.*'sgd'.*Received: optimizer='lion'"):
        make_optimizer(Recipe(optimizer="lion"))


OPTIONS = {  # option: (value, the fields that it changes in Recipe())
    "learner": ("maml", {"learner"}),
    "data": ("glyphs", {"data"}),
    "bn_mode": ("batch", {"learner_options.bn_mode"}),
    "distance": ("cosine", {"learner_options.distance"}),
    "scale": (2.0, {"learner_options.scale"}),
    "filters": (8, {"network.filters"}),
    "downsampling": ("stride", {"network.downsampling"}),
    "features": ("mean", {"network.features"}),
    "size": (32, {"data_options.size"}),
    "channels": (3, {"data_options.channels"}),
    "invert": (True, {"data_options.invert"}),
    "rotations": (True, {"rotations"}),
    "way": (7, {"train.way", "val.way", "test.way"}),
    "shot": (3, {"train.shot", "val.shot", "test.shot"}),
    "query": (3, {"train.query"}),
    "tasks_per_step": (9, {"train.tasks_per_step"}),
    "steps": (9, {"train.steps"}),
    "test_way": (3, {"val.way", "test.way"}),
    "test_query": (3, {"val.query", "test.query"}),
    "episodes": (40, {"test.steps"}),
    "epochs": (3, {"epochs"}),
    "learning_rate": (0.5, {"learning_rate"}),
    "halve_every": (10, {"halve_every"}),
    "val_every": (2, {"val_every"}),
    "seed": (5, {"seed", "train.seed"}),
}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_its_own_fields_and_no_others(option):
    value, expected = OPTIONS[option]
    new = changed(Recipe(), {option: value})
    found = {name: after for name, _, after in differences(Recipe(), new)}
    assert set(found) == expected
    if option != "episodes":
        assert set(found.values()) == {value}


@pytest.mark.parametrize("option", LEARNERS["maml"].options)
def test_options_of_maml(option):
    values = {"first_order": True, "bn_mode": "running", "inner_lr": 0.1, "remat": False}
    value = values.get(option, 7)
    base = Recipe(learner="maml")
    new = changed(base, {option: value})
    assert differences(base, new) == [(f"learner_options.{option}", None, value)]
    assert getattr(make_learner(new), option) == value


def test_options_of_mann():
    base = changed(Recipe(), {"learner": "mann"})
    assert (base.train.shot, base.test.shot, base.val.query) == (10, 10, 0)
    sharp = make_learner(changed(base, {"scale": 5.0, "way": 3, "labels": "strings"}))
    assert (sharp.rnn.cell.scale, sharp.way, sharp.labels) == (5.0, 3, "strings")
    plain = make_learner(changed(base, {"cell": "lstm", "filters": 3}))
    assert isinstance(plain.rnn.cell, keras.layers.LSTMCell)
    assert (plain.network.filters, plain.way, plain.labels) == (3, 5, "one_hot")
    published = make_learner(recipes.get("mann-published-omniglot-5way"))
    assert isinstance(published.network, keras.layers.Flatten)
    for option in ("query", "test_query"):
        with pytest.raises(ValueError, match=f"mann reads sequences.* no option {option}"):
            changed(base, {option: 3})


def test_runs_of_mann_have_sequences():
    recipe = changed(Recipe(), {"learner": "mann", "data": "glyphs", "labels": "strings"})
    train = make_training_data(load_data(recipe)["train"], recipe)
    assert isinstance(train, kmeta.data.SequenceEpisodes)
    assert (train.instances, train.labels, train.tasks_per_step) == (10, "strings", 16)
    assert sequence_labels(Recipe()) is None


def test_distortions_are_for_training():
    recipe = recipes.get("mann-published-omniglot-5way")
    assert recipe.distortions and not recipes.get("mann-omniglot-5way").distortions
    train = load_split("glyphs", "train")
    assert make_training_data(train, recipe).distortions
    assert not make_training_data(train, replace(recipe, distortions=False)).distortions
    assert not changed(recipe, {"learner": "prototypical"}).distortions
    tasks = make_training_data(train, Recipe(distortions=True))
    assert type(tasks) is kmeta.Episodes and tasks.distortions


SPLITS = {  # as the papers have them
    "random-trainval": "maml fomaml relation reptile mann mann-lstm metanet",
    "random-train": "lstm-meta-learner",
    "trainval": "prototypical matching matching-fce siamese",
}


@pytest.mark.parametrize("name", [name for name, r in recipes.RECIPES.items() if r.target])
def test_published_recipes_have_the_papers_split_and_a_schedule_that_acts(name):
    recipe = recipes.get(name)
    systems = SPLITS[recipe.train.split].split()
    assert name.split("-omniglot")[0] in systems
    assert recipe.test.split == ("test" if recipe.train.split == "trainval" else "random-test")
    steps = recipe.epochs * recipe.train.steps
    assert steps >= 10_000
    assert recipe.halve_every is None or steps >= 5 * recipe.halve_every


def test_a_changed_recipe_has_no_published_target():
    base = recipes.get("prototypical-omniglot-5way-1shot")
    assert changed(base, {"way": 60}) is base
    new = changed(base, {"way": 20})
    assert new.name == "prototypical-omniglot-5way-1shot (changed)"
    assert new.target is None
    assert (new.train.way, new.test.way) == (20, 5)  # they were different before
    again = changed(new, {"epochs": 1})
    assert again.name == new.name


def test_other_data_have_the_usual_splits_and_other_learners_their_own_options():
    base = recipes.get("prototypical-omniglot-5way-1shot")
    assert changed(base, {"data": "glyphs"}).train.split == "train"
    assert changed(Recipe(learner_options={"scale": 2}), {"learner": "maml"}).learner_options == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner_steps": 2}, "prototypical has no option inner_steps; its own are distance"),
        ({"head_stddev": 1.0}, "prototypical has no option head_stddev"),
        ({"learner": "maml", "scale": 2}, "maml has no option scale"),
        ({"learner": "mamal"}, "Learners are prototypical, matching"),
        ({"colour": "red"}, "Unknown options: colour"),
    ],
)
def test_options_that_do_not_belong(options, message):
    with pytest.raises(ValueError, match=message):
        changed(Recipe(), options)


def test_validation_can_be_left_out_but_not_invented():
    assert changed(Recipe(), {"val_every": 0}).val is None
    with pytest.raises(ValueError, match="has no validation"):
        changed(recipes.get("prototypical-omniglot-5way-1shot"), {"val_every": 1})
    never = changed(Recipe(halve_every=3, halve_from=9), {"halve_every": 0})
    assert never.halve_every is never.halve_from is None


@pytest.mark.parametrize(("episodes", "size"), [(1, 1), (6, 3), (7, 1), (1000, 4), (32, 4)])
def test_the_number_of_episodes_is_exact(episodes, size):
    tasks = with_episodes(Tasks("test", tasks_per_step=4), episodes)
    assert tasks.steps * tasks.tasks_per_step == episodes
    assert tasks.tasks_per_step == size


def test_folders_are_divided_by_class_the_same_way_every_time(pictures):
    parts = {split: load_split(str(pictures), split) for split in ("train", "val", "test")}
    assert [len(part.class_names) for part in parts.values()] == [6, 2, 2]
    names = [name for part in parts.values() for name in part.class_names]
    assert sorted(names) == [f"c{number}" for number in range(10)]
    assert load_split(str(pictures), "test").sha256 == parts["test"].sha256
    assert parts["val"].name == "pictures-val"
    assert len(load_split(str(pictures), "all").class_names) == 10


def test_folders_that_are_divided_already(pictures, tmp_path):
    for split, classes in (("train", "c0 c1"), ("test", "c2 c3 c4")):
        for name in classes.split():
            shutil.copytree(pictures / name, tmp_path / split / name)
    assert load_split(str(tmp_path), "train").class_names == ("c0", "c1")
    assert load_split(str(tmp_path), "test").class_names == ("c2", "c3", "c4")


def test_classes_are_not_trained_on_and_held_out_at_once(pictures, tmp_path):
    for split in ("train", "val", "test"):
        shutil.copytree(pictures, tmp_path / split)
    recipe = changed(Recipe(data=str(tmp_path)), {"query": 2, "test_query": 2})
    with pytest.raises(ValueError, match="not be trained on. Received: 'c0' in both .*-train and"):
        load_data(recipe)
    for recipe in recipes.RECIPES.values():
        if recipe.data == "omniglot":
            train, *others = [characters(tasks.split) for tasks in parts(recipe)]
            assert not any(set(train) & set(other) for other in others)


def test_folders_can_be_inverted_and_resized(pictures):
    plain = load_split(str(pictures), "all")
    inverted = load_split(str(pictures), "all", options={"invert": True})
    np.testing.assert_array_equal(inverted.images, 255 - plain.images)
    small = load_split(str(pictures), "all", options={"size": 8, "channels": 3})
    assert small.images.shape == (80, 8, 8, 3)


def test_data_that_cannot_be_used(pictures, tmp_path):
    few = load_split(str(pictures), "all").subset(["c0", "c1", "c2", "c3", "c4"])
    with pytest.raises(ValueError, match="at least 6 classes.*Received: 5"):
        divided(few, "train")
    with pytest.raises(ValueError, match="are train, val, test and all. Received: 'trial'"):
        load_split(str(pictures), "trial")
    with pytest.raises(
        FileNotFoundError, match="no data set of that name. Did you mean 'omniglot'"
    ):
        load_split("omniglott", "train")
    with pytest.raises(ValueError, match=r"val tasks from pictures-val: Argument `way`"):
        check_room(load_split(str(pictures), "val"), Tasks("val"), False)
    check_room(load_split(str(pictures), "val"), Tasks("val", query=7), True)


def test_networks_of_maps_have_their_own_options():
    recipe = changed(recipes.Recipe(), {"learner": "relation", "filters": 8})
    assert make_learner(recipe).network.filters == 8
    with pytest.raises(ValueError, match="network of relation has no option features"):
        changed(recipes.Recipe(), {"learner": "relation", "features": "mean"})


def test_networks_with_fast_weights_are_as_wide_as_the_way():
    recipe = changed(Recipe(), {"learner": "metanet", "way": 7, "filters": 8, "units": 3})
    learner = make_learner(recipe)
    assert (learner.network.way, learner.network.filters, learner.units) == (7, 8, 3)
    with pytest.raises(ValueError, match="network of metanet has no option downsampling"):
        changed(recipe, {"downsampling": "stride"})


def test_options_of_siamese_networks():
    new = changed(Recipe(learner="siamese"), {"distance": "l2", "class_score": "mean"})
    learner = make_learner(new)
    assert (learner.distance, learner.class_score) == ("l2", "mean")


def test_recipes_of_pairs_and_of_other_layers():
    koch = recipes.get("siamese-koch-omniglot")
    assert make_learner(koch).network.features == 4096
    with pytest.raises(ValueError, match="network of siamese has no option filters"):
        changed(koch, {"filters": 8})
    with pytest.raises(ValueError, match="trains on pairs and has no option tasks_per_step"):
        changed(koch, {"tasks_per_step": 8})
    with pytest.raises(ValueError, match="trains on pairs and has no option query"):
        changed(koch, {"query": 8})
    other = changed(koch, {"learner": "prototypical"})
    assert other.pairs is None and other.network == {}
    assert changed(koch, {"way": 5}).test.way == 5


def test_gradients_are_clipped_where_a_recipe_says_so():
    assert make_optimizer(recipes.get("relation-omniglot-5way-1shot")).global_clipnorm == 0.5
    assert make_optimizer(recipes.Recipe()).global_clipnorm is None
