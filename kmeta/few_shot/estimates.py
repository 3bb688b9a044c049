"""What a classifier of a few pictures tells about itself: left-out accuracy, calibration."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from kmeta.checks import is_finite, whole_number
from kmeta.data.dataset import Dataset
from kmeta.edge.scoring import scores, softmax
from kmeta.evaluation.calibration import expected_calibration_error, fit_temperature
from kmeta.evaluation.intervals import wilson_interval
from kmeta.evaluation.open_set import auroc, fit_familiarity, threshold_that_keeps

WIDER = 2.5  # so many left-out pictures tell as much as one that is independent of the others
CHANCE = 0.6  # an AUROC below which unknown pictures are hardly refused better than by chance
NO_BETTER = (
    "\nDO NOT RELY ON 'unknown': pictures of other classes score about as high as those of these"
)
_FOLDS = 5


@dataclasses.dataclass(frozen=True, repr=False)
class LeaveOneOut:
    """How well the pictures of a classifier are told by one another.

    accuracy: share of the left-out pictures that were told right, 0 to 1.
    interval: where the accuracy on new pictures taken like these lies, `(low, high)`, see
        `likely_range`.
    answers, labels: the class that each was taken for, and its own, int `[n]`.
    images: which pictures were left out, int `[n]`.
    class_names: of the classes.
    together: pictures that were left out together with others, as near-duplicates.
    logits: `[n, way]` of the left-out pictures.

    Example:
        >>> logits = np.eye(2)[[0, 0, 1, 0]]
        >>> found = LeaveOneOut.of(logits, np.array([0, 0, 1, 1]), np.arange(4), ["a", "b"], [2, 2])
        >>> found.accuracy, found.confused(least=1)
        (0.75, [('b', 'a', 1)])
    """

    accuracy: float
    interval: tuple[float, float]
    answers: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    class_names: list[str]
    together: int = 0
    logits: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        logits: np.ndarray,
        labels: np.ndarray,
        images: np.ndarray,
        class_names: Sequence[str],
        counts: np.ndarray,
        together: int = 0,
    ) -> "LeaveOneOut":
        """From logits `[n, way]`; counts: pictures of each class, int `[way]`."""
        answers = np.argmax(logits, axis=-1)
        hits = int((answers == labels).sum())
        remaining = float(np.mean(1 - 1 / np.asarray(counts)[labels]))
        interval = likely_range(hits, len(labels), remaining)
        return cls(
            hits / len(labels),
            interval,
            answers,
            labels,
            images,
            list(class_names),
            together,
            logits,
        )

    def confused(self, least: int = 2) -> list[tuple[str, str, int]]:
        """`[(name, taken for, pictures)]` of classes confused `least` times or more, most first."""
        wrong = self.answers != self.labels
        pairs = np.stack([self.labels[wrong], self.answers[wrong]], axis=-1)
        pairs, counts = np.unique(pairs, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        names = self.class_names
        return [
            (names[pairs[i][0]], names[pairs[i][1]], int(counts[i]))
            for i in order
            if counts[i] >= least
        ]

    def __str__(self):
        low, high = self.interval
        return (
            f"Accuracy with each picture left out in turn: {100 * self.accuracy:.1f} %; on new "
            f"pictures taken like these likely {100 * low:.0f} to {100 * high:.0f} % "
            f"({len(self.labels)} pictures)"
        )


def likely_range(hits, count, remaining):
    """Where the accuracy on new pictures lies, 95 times of 100, by left-out ones: `(low, high)`.

    Wilson's interval, widened: answers to pictures that share their support set are worth fewer
    (40 %), and the upper end allows for errors that are rarer with a full support set, in
    proportion to its size. It covers the accuracy on the rest of the pool in nine of ten random
    draws or more (photographs and drawings, 3 to 10 shots).

    Args:
        hits, count: how many of how many left-out pictures were told right.
        remaining: share of a class's pictures that was learned from while one was left out.

    >>> [round(end, 2) for end in likely_range(36, 40, 0.8)]
    [0.67, 0.99]
    """
    worth = count / WIDER
    error = 1 - hits / count
    low, _ = wilson_interval((1 - error) * worth, worth)
    _, high = wilson_interval((1 - error * remaining) * worth, worth)
    return low, high


@dataclasses.dataclass(frozen=True, repr=False)
class Calibration:
    """What `FewShotClassifier.calibrate` set, and how good it is.

    temperature, threshold, familiarity: see `kmeta.Classifier`.
    ece_before, ece_after: expected calibration error with the temperature before and now, 0 to 1.
    auroc: how often an image of a known class scores higher than one of an unknown class.
    fpr: share of unknown images that pass for known where 95 % of the known ones do (FPR at 95 %
        TPR).
    kept, refused: share of known images at or above the threshold, and of unknown ones below.
    probabilities, labels: `[n, way]` of the images of known classes, with the new temperature, and
        int `[n]`: what `kmeta.evaluation.calibration.reliability` asks for.

    Example:
        >>> found = Calibration(0.8, 0.4, (1.0, 0.0), 0.1, 0.02, 0.9, 0.3, 0.95, 0.7,
        ...                     np.eye(2), np.arange(2))
        >>> str(found)
        'Temperature 0.8: calibration error 10.00 % before, 2.00 % now. Threshold 0.400: keeps...'
    """

    temperature: float
    threshold: float
    familiarity: tuple[float, float]
    ece_before: float
    ece_after: float
    auroc: float
    fpr: float
    kept: float
    refused: float
    probabilities: np.ndarray
    labels: np.ndarray

    def __str__(self):
        return (
            f"Temperature {self.temperature:.3g}: calibration error {100 * self.ece_before:.2f} % "
            f"before, {100 * self.ece_after:.2f} % now. Threshold {self.threshold:.3f}: keeps "
            f"{100 * self.kept:.1f} % of known images and refuses {100 * self.refused:.1f} % of "
            f"unknown ones (AUROC {self.auroc:.3f}, FPR at 95 % TPR {100 * self.fpr:.1f} %)"
            + (NO_BETTER if self.auroc < CHANCE else "")
        )


def calibration(fits, tests, before, keep):
    """The `Calibration` fitted to some answers and measured on others.

    The temperature stays as it is where the fitted one is worse on answers that it was not fitted
    to: the others, or, where they are the same, each fifth of them by the rest.

    Args:
        fits, tests: `kmeta.few_shot.left_out.Answers`.
        before: the temperature until now.
        keep: share of known images that must be at or above the threshold.
    """
    if fits is tests:
        temperatures = _crossed_temperatures(fits)
    else:
        temperatures = np.full((len(tests.labels), 1), fit_temperature(fits.logits, fits.labels))
    probabilities = softmax(tests.logits / temperatures)
    unchanged = softmax(tests.logits / before)
    temperature = fit_temperature(fits.logits, fits.labels)
    ece_before = expected_calibration_error(unchanged, tests.labels)
    ece_after = expected_calibration_error(probabilities, tests.labels)
    if ece_after > ece_before or _loss(probabilities, tests) > _loss(unchanged, tests):
        temperature, probabilities, ece_after = before, unchanged, ece_before
    familiarity = fit_familiarity(fits.logits.max(-1), fits.unknown.max(-1))
    threshold = threshold_that_keeps(scores(fits.logits, temperature, familiarity), keep)
    known, unknown = (
        scores(logits, temperature, familiarity) for logits in (tests.logits, tests.unknown)
    )
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        familiarity=familiarity,
        ece_before=ece_before,
        ece_after=ece_after,
        auroc=auroc(known, unknown),
        fpr=float(np.mean(unknown >= threshold_that_keeps(known, 0.95))),
        kept=float(np.mean(known >= threshold)),
        refused=float(np.mean(unknown < threshold)),
        probabilities=probabilities,
        labels=tests.labels,
    )


def calibration_options(keep, episodes, data):
    """`keep` and `episodes` of `FewShotClassifier.calibrate` in plain form.

    Raises:
        ValueError: if one of them, or `data`, is out of range.
    """
    if not is_finite(keep) or not 0 < keep < 1:
        raise ValueError(f"Argument `keep` must be between 0 and 1. Received: keep={keep!r}")
    if not isinstance(data, Dataset | None):
        raise ValueError(
            f"Argument `data` must be a kmeta.data.Dataset, or None. Received: {data!r}"
        )
    return float(keep), whole_number("episodes", episodes, least=2)


def _crossed_temperatures(answers):
    """For each answer the temperature that the other four fifths ask for, `[n, 1]`."""
    fold = np.arange(len(answers.labels)) % _FOLDS
    found = np.empty((len(fold), 1))
    for part in np.unique(fold):
        rest = fold != part if len(fold) > _FOLDS else slice(None)
        found[fold == part] = fit_temperature(answers.logits[rest], answers.labels[rest])
    return found


def _loss(probabilities, answers):
    """Mean of `-log p` of the true classes."""
    true = probabilities[np.arange(len(answers.labels)), answers.labels]
    return float(-np.log(np.maximum(true, 1e-12)).mean())
