"""Learners that come with the package are what their papers say they are."""

import os
import shutil

import keras
import numpy as np
import pytest

import kmeta
from kmeta import recipes, weights
from kmeta.few_shot import left_out
from kmeta.few_shot.album import Album
from kmeta.few_shot.estimates import calibration

needs_omniglot = pytest.mark.skipif(
    "KMETA_DATA" not in os.environ, reason="KMETA_DATA names no folder with Omniglot"
)


@pytest.mark.parametrize("name", ["matching-omniglot", "prototypical-omniglot"])
def test_a_learner_that_was_trained_here(name):
    learner = kmeta.load(name)
    about = weights.about(name)
    assert isinstance(learner, kmeta.MetaLearner)
    recipe = recipes.Recipe.from_dict(about["recipe"])
    assert recipe.name in recipes.RECIPES  # which may have other settings today
    assert recipe.train.split == "background"
    assert about["size"] == weights.path(name).stat().st_size < 1e6
    assert about["result"]["accuracy"] > 0.9
    assert np.isfinite(learner.get_weights()[0]).all()


def test_the_learner_of_photographs():
    assert weights.names() == ["matching-omniglot", "photos", "prototypical-omniglot"]
    learner, about = kmeta.load("photos"), weights.about("photos")
    assert isinstance(learner, kmeta.R2D2)
    assert list(learner.image_shape) == about["image_shape"]
    assert learner.crop == 0.875
    assert kmeta.load("prototypical-omniglot").crop is None
    assert about["size"] == weights.path("photos").stat().st_size < 6.5e6
    assert "Apache" in weights.path("photos").with_name("NOTICE").read_text(encoding="utf-8")


def test_a_file_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prototypical-omniglot").mkdir()
    with pytest.raises(FileNotFoundError, match="There is no run in prototypical-omniglot"):
        kmeta.load("prototypical-omniglot")


def test_no_such_learner_and_a_damaged_one(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="that come with the package are .*prototypical-omniglot"):
        weights.about("prototypical")
    copy = shutil.copytree(weights._FOLDER, tmp_path / "weights")
    monkeypatch.setattr(weights, "_FOLDER", copy)
    file = copy / "prototypical-omniglot.keras"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="is damaged: install kmeta again"):
        kmeta.load("prototypical-omniglot")


@pytest.fixture(scope="module")
def evaluation():
    """Characters of alphabets that no learner of the package was trained on."""
    return kmeta.data.load("omniglot", "evaluation", antialias=True)


@pytest.mark.slow
@needs_omniglot
def test_few_drawings_of_a_new_alphabet(evaluation):
    """Ten characters, five drawings each, as a user has them: a folder's worth."""
    rng = np.random.default_rng(0)
    chosen = evaluation.subset(rng.choice(659, 10, replace=False).tolist())
    support = np.arange(len(chosen)) % 20 < 5
    classifier = kmeta.FewShotClassifier(
        255 - chosen.images[support], chosen.labels[support], class_names=chosen.class_names
    )
    assert classifier.inverted  # it saw that the strokes are dark
    queries, labels = 255 - chosen.images[~support], chosen.labels[~support]
    accuracy = np.mean(classifier.predict(queries).argmax(-1) == labels)
    assert accuracy > 0.95
    assert abs(classifier.leave_one_out().accuracy - accuracy) < 0.08


@pytest.mark.slow
@needs_omniglot
def test_trust_on_new_alphabets(evaluation, capsys):
    """20-way 5-shot: accuracy, calibration, unknown classes, and the estimate from 100 supports."""
    keras.utils.set_random_seed(0)
    learner = kmeta.load("prototypical-omniglot")
    fits, tests = left_out.drawn(Album(learner), evaluation, 20, 5, 1000, 0)
    found = calibration(fits, tests, before=1.0, keep=0.95)
    score = kmeta.evaluate(
        learner, kmeta.Episodes(evaluation, 20, 5, 5, steps=1000, seed=3), verbose=0
    )
    estimates, true = [], []
    rng = np.random.default_rng(1)
    for _ in range(100):
        chosen = evaluation.subset(rng.choice(659, 20, replace=False).tolist())
        order = np.argsort(chosen.labels + rng.random(len(chosen)))
        support = np.isin(np.arange(len(chosen)), order.reshape(20, 20)[:, :5])
        classifier = kmeta.FewShotClassifier(
            chosen.images[support], chosen.labels[support], learner
        )
        estimates.append(classifier.leave_one_out().accuracy)
        answers = classifier.predict(chosen.images[~support]).argmax(-1)
        true.append(np.mean(answers == chosen.labels[~support]))
    with capsys.disabled():
        print(f"\n{score}\n{found}")
        print(f"estimate {np.mean(estimates):.4f}, true {np.mean(true):.4f}")
        print(f"estimates differ by {np.abs(np.subtract(estimates, true)).mean():.4f} on average")
    assert score.accuracy > 0.97
    assert found.ece_after <= 0.02
    assert found.auroc >= 0.95
    assert abs(np.mean(estimates) - np.mean(true)) < 0.03
