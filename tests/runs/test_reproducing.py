"""Reproductions: what is kept, that it is scored again to the digit, and what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import kmeta
from kmeta.recipes import RECIPES, Recipe, Tasks
from kmeta.recipes.reproductions import REPRODUCTIONS, Reproduction, Setting, get
from kmeta.runs import Run, train
from kmeta.runs.folder import write_json
from kmeta.runs.reproducing import Result, check, reproduce
from kmeta.runs.results_table import label, shown

TASKS = Tasks("test", way=2, query=1, tasks_per_step=2, steps=60, seed=3)


def made_up(pictures, **changes):
    """A reproduction that trains in a second."""
    recipe = Recipe(
        name="made-up",
        data=str(pictures),
        network={"filters": 3, "downsampling": "stride"},
        train=Tasks("train", way=3, query=2, tasks_per_step=2, steps=3),
        val=None,
        test=Tasks("test", way=2, query=3, tasks_per_step=2, steps=5, seed=2),
        epochs=2,
    )
    settings = (
        Setting(TASKS, {"bn_mode": "running"}, 0.9),
        Setting(replace(TASKS, tasks_per_step=1), {"bn_mode": "batch"}),
    )
    return Reproduction("made-up", replace(recipe, **changes), settings)


@pytest.fixture(scope="module")
def kept(pictures, tmp_path_factory):
    """Folders of a finished run and of its result. Tests read them and do not change them."""
    place = tmp_path_factory.mktemp("reproduced")
    reproduce(made_up(pictures), place / "run", place / "result", verbose=0)
    return place


def test_a_result_holds_what_identifies_it(kept, pictures):
    record = Result(kept / "result").read()
    files = {entry.name: entry.stat().st_size for entry in (kept / "result").iterdir()}
    assert set(files) == {"result.json", "log.csv", "learner.keras"}
    assert files["learner.keras"] < (kept / "run" / "learner.keras").stat().st_size
    assert (kept / "result" / "log.csv").read_bytes() == (kept / "run" / "log.csv").read_bytes()
    assert Recipe.from_dict(record["recipe"]) == made_up(pictures).recipe
    assert record["steps"] == {"made": 6, "of": 6}
    assert record["hours"] >= 0 and record["machines"] == [record["scored_on"]]
    assert set(record["scored_on"]) == {
        *("kmeta", "python", "keras", "tensorflow", "numpy", "hardware")
    }
    assert set(record["data_sha256"]) == {"train", "test"}


def test_the_scores_are_those_of_the_run_in_every_setting(kept, pictures):
    learner = kmeta.load(kept / "run")
    dataset = kmeta.data.from_directory(pictures)
    running, batch = Result(kept / "result").read()["scores"]
    for record, size in ((running, 2), (batch, 1)):
        scored = learner.with_options(**record["options"])
        from kmeta.runs.data import divided

        episodes = kmeta.Episodes(
            divided(dataset, "test"), way=2, query=1, tasks_per_step=size, steps=60, seed=3
        )
        score = kmeta.evaluate(scored, episodes, verbose=0)
        assert record["manifest"] == score.manifest
        assert (record["accuracy"], record["bn_mode"]) == (score.accuracy, scored.bn_mode)
    assert running["published"] == 0.9 and batch["published"] is None
    assert running["episodes"] == 120 and running["first"]["episodes"] == 100
    assert batch["first"]["episodes"] == 60  # of no more than there are


@pytest.mark.slow
def test_a_kept_learner_scores_the_same_to_the_digit(kept, tmp_path):
    assert check(kept / "result", verbose=0) == []
    assert check(kept / "result", quick=True, verbose=0) == []
    shutil.copytree(kept / "result", tmp_path / "result")
    result = Result(tmp_path / "result")
    record = result.read()
    record["scores"][0]["accuracy"] += 1e-12
    write_json(result.result_path, record)
    ((setting, was, now),) = check(result.path, verbose=0)
    assert setting == "2-way 1-shot" and was.startswith(now[:4])
    assert check(result.path, quick=True, verbose=0) == []
    record["scores"][1]["first"]["manifest"]["episodes_sha256"] = "0" * 64
    write_json(result.result_path, record)
    assert check(result.path, quick=True, settings=1, verbose=0) == []
    assert len(check(result.path, quick=True, verbose=0)) == 1


def test_another_learner_than_the_scored_one_is_refused(kept, tmp_path):
    shutil.copytree(kept / "result", tmp_path / "result")
    shutil.copyfile(kept / "run" / "learner.keras", tmp_path / "result" / "learner.keras")
    with pytest.raises(ValueError, match="not the learner that was scored: it has changed"):
        check(tmp_path / "result")
    with pytest.raises(FileNotFoundError, match="There is no result in"):
        check(tmp_path / "none")
    (tmp_path / "result" / "result.json").write_text('{"scores": 1}')
    with pytest.raises(ValueError, match="is not a result of a reproduction"):
        check(tmp_path / "result")


@pytest.mark.slow
def test_a_run_of_kmeta_train_is_gone_on_with_and_may_be_scored_before_it_ends(
    kept, pictures, tmp_path
):
    whole = made_up(pictures)
    train(replace(whole.recipe, epochs=1, name="half"), tmp_path / "run", verbose=0)
    run = Run(tmp_path / "run")
    config = run.config
    config["recipe"]["epochs"] = 2
    write_json(run.config_path, config)
    run.result_path.unlink()
    before = {entry: entry.read_bytes() for entry in run.path.iterdir() if entry.is_file()}
    record = reproduce(whole, run.path, tmp_path / "part", unfinished=True, verbose=0)
    assert record["steps"] == {"made": 3, "of": 6}
    assert {entry: entry.read_bytes() for entry in run.path.iterdir() if entry.is_file()} == before
    assert check(tmp_path / "part", verbose=0) == []
    state = Result(tmp_path / "part").run  # on another machine there is nothing but the result
    assert {entry.name for entry in state.path.iterdir()} == {
        *("config.json", "checkpoint.npz", "log.csv"),
    }
    assert state.config["data_dir"] is None
    record = reproduce(whole, tmp_path / "elsewhere", tmp_path / "part", verbose=0)
    assert not state.path.exists()
    assert record["steps"] == {"made": 6, "of": 6}
    mine, other = (kmeta.load(path / "learner.keras") for path in (tmp_path / "part", kept / "run"))
    for a, b in zip(mine.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_cannot_be_reproduced(kept, pictures, tmp_path):
    with pytest.raises(ValueError, match="learning_rate is 0.001 in the run and 0.5 now"):
        reproduce(made_up(pictures, learning_rate=0.5), kept / "run", tmp_path / "r", verbose=0)
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        reproduce(made_up(pictures), tmp_path / "none", tmp_path / "r", unfinished=True)
    shutil.copytree(kept / "run", tmp_path / "run")
    (tmp_path / "run" / "checkpoint.npz").unlink()
    with pytest.raises(ValueError, match="No epoch of the run has ended"):
        reproduce(made_up(pictures), tmp_path / "run", tmp_path / "r", unfinished=True)
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_sequences_are_scored_by_instance(pictures, tmp_path):
    whole = made_up(
        pictures,
        learner="mann",
        train=Tasks("train", way=2, shot=3, query=0, tasks_per_step=2, steps=1),
        test=Tasks("test", way=2, shot=3, query=0, tasks_per_step=2, steps=2),
        epochs=1,
    )
    tasks = Tasks("test", way=2, shot=3, query=0, tasks_per_step=2, steps=2)
    whole = replace(whole, settings=(Setting(tasks, published={2: 0.8}),))
    (score,) = reproduce(whole, tmp_path / "run", tmp_path / "out", verbose=0)["scores"]
    assert len(score["instances"]) == 3 and score["published"] == {"2": 0.8}
    assert label(score) == "2-way, instances 1 to 3"
    assert check(tmp_path / "out", verbose=0) == []


def test_a_setting_in_words():
    tasks = {"way": 5, "shot": 1}
    options = {"bn_mode": "batch", "test_inner_steps": 3}
    record = {"tasks": tasks, "options": options, "instances": None, "bn_mode": "batch"}
    assert label(record) == "5-way 1-shot, 3 inner steps"
    record = {**record, "accuracy": 0.9876, "interval": 0.0, "episodes": 4}
    assert shown(record) == "98.76 % +- 0.00 (4 tasks, bn_mode=batch)"


def test_every_recipe_with_a_published_number_is_reproduced():
    published = {name for name, recipe in RECIPES.items() if recipe.target is not None}
    assert published <= {one.recipe.name for one in REPRODUCTIONS.values()}
    for name, one in REPRODUCTIONS.items():
        assert name == one.name
        first = one.settings[0].published
        first = first[one.recipe.test.shot] if isinstance(first, dict) else first
        if one.recipe.target is not None:
            assert first == one.recipe.target, name
        for setting in one.settings:
            if setting.tasks is not None:
                assert setting.tasks.split == one.recipe.test.split, name
                assert setting.tasks.tasks_per_step * setting.tasks.steps >= 1000, name


def test_other_seeds_are_other_trainings_of_the_same_recipe():
    for system in ("prototypical", "matching"):
        name = f"{system}-omniglot-5way-1shot"
        for seed in (2, 3):
            other = get(f"{name}-seed{seed}")
            assert other.seed_of == name
            same = replace(other.recipe, seed=1, train=replace(other.recipe.train, seed=1))
            assert (other.recipe.seed, other.recipe.train.seed) == (seed, seed)
            assert same == RECIPES[name] and other.settings == REPRODUCTIONS[name].settings


def test_names_that_are_not_known():
    with pytest.raises(ValueError, match="Did you mean 'maml-omniglot-5way-1shot'"):
        get("maml-omniglot-5way-1shott")


def test_json_of_a_result_is_plain(kept):
    text = (kept / "result" / "result.json").read_text()
    assert "NaN" not in text and json.loads(text)["name"] == "made-up"
