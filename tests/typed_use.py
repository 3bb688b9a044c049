"""What a type checker sees of kmeta: read by pyright, never run."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np

import kmeta
from kmeta.evaluation import LabelledScore, Score
from kmeta.exporting import ExportReport
from kmeta.few_shot import Calibration, LeaveOneOut

dataset = kmeta.data.load("glyphs", "val")
assert_type(dataset, kmeta.data.Dataset)
assert_type(dataset.class_names, tuple[str, ...])
episodes = kmeta.Episodes(dataset, way=5, shot=(1, 5), query=3)
assert_type(episodes.class_names_of(0), list[tuple[str, ...]])

learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4())
assert_type(kmeta.evaluate(learner, episodes), Score)
assert_type(kmeta.evaluate(learner, episodes).interval, float)
classifier = learner.adapt(np.zeros((2, 28, 28, 1)), ["cat", "dog"])
assert_type(classifier, kmeta.Classifier)
assert_type(classifier.label(np.zeros((1, 28, 28, 1))), tuple[list[str], list[float]])
assert_type(kmeta.export(classifier, Path("bundle")), ExportReport)
assert_type(kmeta.exporting.verify_bundle("bundle"), dict[str, Any])

mine = kmeta.FewShotClassifier.from_directory("pictures", backbone="photos")
assert_type(mine.class_names, list[str])
assert_type(mine.leave_one_out(), LeaveOneOut)
assert_type(mine.calibrate(keep=0.9), Calibration)
assert_type(mine.score("others"), LabelledScore)
assert_type(kmeta.plots.draw_confusion([[1]], "confusion.png"), Path | bytes)
