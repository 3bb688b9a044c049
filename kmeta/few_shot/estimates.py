"""What a classifier of a few pictures tells about itself: left-out accuracy, calibration."""

import dataclasses

import numpy as np

from kmeta.edge.scoring import scores, softmax
from kmeta.evaluation.calibration import expected_calibration_error, fit_temperature
from kmeta.evaluation.intervals import wilson_interval
from kmeta.evaluation.open_set import auroc, fit_familiarity, threshold_that_keeps


@dataclasses.dataclass(frozen=True, repr=False)
class LeaveOneOut:
    """How well the pictures of a classifier are told by one another.

    accuracy: share of the left-out pictures that were told right, 0 to 1.
    interval: its 95 % interval, `(low, high)`.
    answers, labels: the class that each was taken for, and its own, int `[n]`.
    images: which pictures were left out, int `[n]`.
    class_names: of the classes.
    """

    accuracy: float
    interval: tuple
    answers: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    class_names: list

    @classmethod
    def of(cls, logits, labels, images, class_names):
        """From logits `[n, way]`."""
        answers = np.argmax(logits, axis=-1)
        hits = int((answers == labels).sum())
        interval = wilson_interval(hits, len(labels))
        return cls(hits / len(labels), interval, answers, labels, images, list(class_names))

    def confused(self, least=2):
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
            f"Accuracy with each picture left out in turn: {100 * self.accuracy:.1f} % "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f}, {len(self.labels)} pictures)"
        )


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
    """

    temperature: float
    threshold: float
    familiarity: tuple
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
        )


def calibration(fits, tests, before, keep):
    """The `Calibration` fitted to some answers and measured on others.

    Args:
        fits, tests: `kmeta.few_shot.left_out.Answers`.
        before: the temperature until now.
        keep: share of known images that must be at or above the threshold.
    """
    temperature = fit_temperature(fits.logits, fits.labels)
    familiarity = fit_familiarity(fits.logits.max(-1), fits.unknown.max(-1))
    threshold = threshold_that_keeps(scores(fits.logits, temperature, familiarity), keep)
    probabilities = softmax(tests.logits / temperature)
    known, unknown = (
        scores(logits, temperature, familiarity) for logits in (tests.logits, tests.unknown)
    )
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        familiarity=familiarity,
        ece_before=expected_calibration_error(softmax(tests.logits / before), tests.labels),
        ece_after=expected_calibration_error(probabilities, tests.labels),
        auroc=auroc(known, unknown),
        fpr=float(np.mean(unknown >= threshold_that_keeps(known, 0.95))),
        kept=float(np.mean(known >= threshold)),
        refused=float(np.mean(unknown < threshold)),
        probabilities=probabilities,
        labels=tests.labels,
    )
