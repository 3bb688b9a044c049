"""The official one-shot benchmark of Omniglot: 20 runs, 20 classes of one alphabet each.

Lake, Salakhutdinov & Tenenbaum (2015), Science 350; published mean errors: people 4.5 %, Bayesian
program learning 3.3 %, a convolutional Siamese network 8.0 % (on the runs of Koch et al. 2015, not
on these), the modified Hausdorff distance 38.8 %.
"""

import dataclasses
import hashlib
import math
import os

import numpy as np

from kmeta.data.omniglot_runs import load_runs
from kmeta.learners.meta_learner import MetaLearner


@dataclasses.dataclass(frozen=True)
class OneShotResult:
    """Errors in the one-shot runs.

    errors: of each of the 20 runs, 0 to 1.
    method: the learner's class, or the baseline.
    bn_mode: the adapted classifiers' batch-normalisation policy, None for a baseline.
    runs_sha256: of the pixels and answers, equal for equal runs.
    """

    errors: tuple[float, ...]
    method: str
    bn_mode: str | None
    runs_sha256: str

    @property
    def error(self) -> float:
        """Mean error of the runs, the benchmark's score, 0 to 1."""
        return float(np.mean(self.errors))

    @property
    def interval(self) -> float:
        """Half the width of its 95 % confidence interval over runs, `1.96 * sd / sqrt(runs)`."""
        return float(1.96 * np.std(self.errors, ddof=1) / math.sqrt(len(self.errors)))

    def __str__(self):
        mode = "" if self.bn_mode is None else f", bn_mode={self.bn_mode}"
        return (
            f"{100 * self.error:.2f} % +- {100 * self.interval:.2f} error "
            f"(95 % interval, {len(self.errors)} one-shot runs of 20 classes{mode})"
        )


def omniglot_one_shot(
    learner: MetaLearner,
    data_dir: str | os.PathLike[str] | None = None,
    size: int | None = None,
    antialias: bool = False,
    invert: bool = False,
) -> OneShotResult:
    """Error of a learner in the official one-shot runs, adapted to one drawing of each class.

    Args:
        learner: a `MetaLearner`. To compare with published errors, train it on the background
            half: `kmeta.data.load("omniglot", "background")`.
        data_dir, antialias, invert: see `kmeta.data.omniglot_runs.load_runs`; give the options with
            which the training images were loaded.
        size: side of the images. Default: that of the learner's images, 28 if it is not built.

    Returns:
        An `OneShotResult`.

    Raises:
        ValueError: if an argument is wrong, the learner takes other images or predicts another
            number of classes than 20, or a run is incomplete.
        FileNotFoundError: if there is no `all_runs.zip`.

    >>> learner = kmeta.load("prototypical-omniglot")  # trained on the background half
    >>> print(omniglot_one_shot(learner))  # doctest: +SKIP
    9.75 % +- 3.29 error (95 % interval, 20 one-shot runs of 20 classes, bn_mode=running)

    (The files of the runs are not part of the package.)
    """
    if not isinstance(learner, MetaLearner):
        raise ValueError(
            f"Argument `learner` must be a kmeta learner. Received: {type(learner).__name__}"
        )
    if size is None:
        size = 28 if learner.image_shape is None else learner.image_shape[0]

    def classify(run):
        classifier = learner.adapt(run.training_x, np.arange(len(run.training_x)))
        return np.asarray(classifier(run.test_x)).argmax(axis=-1)

    runs = load_runs(data_dir, size, antialias, invert)
    return _result(runs, classify, type(learner).__name__, learner.deployed_bn_mode)


def hausdorff_one_shot(data_dir: str | os.PathLike[str] | None = None) -> OneShotResult:
    """Error of the benchmark's own baseline, 38.75 %: the nearest by `modified_hausdorff`.

    Args:
        data_dir: see `kmeta.data.omniglot_runs.load_runs`.

    Returns:
        An `OneShotResult`.

    Raises:
        ValueError: if a run is incomplete.
        FileNotFoundError: if there is no `all_runs.zip`.

    >>> print(hausdorff_one_shot())  # doctest: +SKIP
    38.75 % +- 7.62 error (95 % interval, 20 one-shot runs of 20 classes)

    (The files of the runs are not part of the package.)
    """

    def classify(run):
        known = [ink_points(image) for image in run.training_x]
        asked = [ink_points(image) for image in run.test_x]
        return np.array([np.argmin([modified_hausdorff(a, b) for b in known]) for a in asked])

    return _result(load_runs(data_dir, size=None), classify, "modified Hausdorff distance", None)


def ink_points(image):
    """Rows and columns of an image's ink, moved to have their mean at 0: float64 `[points, 2]`.

    image: `[h, w]` or `[h, w, 1]`, ink above 0.
    """
    points = np.argwhere(np.asarray(image).reshape(np.shape(image)[:2]) > 0)
    return points - points.mean(axis=0)


def modified_hausdorff(a, b):
    """Modified Hausdorff distance of two sets of points (Dubuisson & Jain 1994, equations 6, 8).

    `max(mean_{p in a} min_{q in b} |p - q|, mean_{q in b} min_{p in a} |p - q|)`

    Args:
        a, b: `[points, dimensions]`.

    Returns:
        Zero or greater.
    """
    # |p|^2 - 2 p.q + |q|^2 as one product, which is several times as fast as its parts
    left = np.column_stack([a, (a**2).sum(axis=1), np.ones(len(a))])
    right = np.column_stack([-2 * b, np.ones(len(b)), (b**2).sum(axis=1)])
    squares = left @ right.T
    nearest = (np.sqrt(np.maximum(squares.min(axis=axis), 0)).mean() for axis in (0, 1))
    return float(max(nearest))


def _result(runs, classify, method, bn_mode):
    digest = hashlib.sha256()
    errors = []
    for run in runs:
        for array in (run.training_x, run.test_x, run.test_y.astype("<i8")):
            digest.update(np.ascontiguousarray(array).tobytes())
        errors.append(float(np.mean(classify(run) != run.test_y)))
    return OneShotResult(tuple(errors), method, bn_mode, digest.hexdigest())
