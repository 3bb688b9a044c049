"""How far a classifier can be trusted, in numbers. Plain NumPy."""

import dataclasses

import numpy as np

from kmeta.calibration import expected_calibration_error

_WIDEST = 6.0  # of log temperature, to either side


def wilson_interval(hits, count):
    """The 95 % interval of a share, `(low, high)` (Wilson 1927), right also near 0 and 1.

    hits, count: how many of how many.
    """
    z = 1.96
    share, square = hits / count, z * z / count
    centre = (share + square / 2) / (1 + square)
    half = z * np.sqrt(share * (1 - share) / count + square / count / 4) / (1 + square)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def fit_temperature(logits, labels):
    """The temperature under which the true classes are likeliest (Guo et al. 2017, section 4.2).

    `argmin_T sum_i -log softmax(logits_i / T)[y_i]`. Each true class gets `(n + 1) / (n + 2)` of
    the target and the others the rest, as Platt (1999) has it: without, few predictions that are
    all right would have the temperature 0.

    Args:
        logits: `[n, way]`.
        labels: int `[n]`, the true classes.
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    n, way = logits.shape
    target = np.full((n, way), 1 / (n + 2) / (way - 1))
    target[np.arange(n), labels] = (n + 1) / (n + 2)
    logits = logits - logits.max(axis=-1, keepdims=True)

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        return -(target * scaled).sum(-1).mean() + np.log(np.exp(scaled).sum(-1)).mean()

    low, high = -_WIDEST, _WIDEST  # the loss is convex in 1 / T, so it has one minimum
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit_familiarity(known, unknown):
    """Slope and offset of `sigmoid(slope * x + offset)`, how likely it is that x is of a known one.

    Logistic regression with Platt's targets (1999), the known and the unknown together of equal
    weight. Args: largest logits of known and unknown images, `[m]` and `[n]`.
    """
    x = np.concatenate([known, unknown]).astype("float64")
    sides = [
        (len(known), (len(known) + 1) / (len(known) + 2)),
        (len(unknown), 1 / (len(unknown) + 2)),
    ]
    target = np.concatenate([np.full(n, t) for n, t in sides])
    weight = np.concatenate([np.full(n, 1 / n) for n, _ in sides])
    mean, spread = x.mean(), x.std() or 1.0
    inputs = np.stack([(x - mean) / spread, np.ones(len(x))], axis=-1)
    solution = np.zeros(2)
    for _ in range(100):  # Newton's method; the loss is convex
        p = 1 / (1 + np.exp(-inputs @ solution))
        gradient = inputs.T @ (weight * (p - target))
        hessian = (inputs * (weight * p * (1 - p))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        solution -= step / max(1.0, np.abs(step).max())
    slope, offset = solution
    return float(slope / spread), float(offset - slope * mean / spread)


def scores(logits, temperature, familiarity):
    """The score of each image, `[n]`, see `kmeta.Classifier`."""
    slope, offset = familiarity
    known = 0.5 + 0.5 * np.tanh((slope * np.max(logits, axis=-1) + offset) / 2)  # the sigmoid
    return softmax(logits / temperature).max(axis=-1) * known


def auroc(known, unknown):
    """Area under the ROC curve: how often a known image scores higher than an unknown one.

    `P(known > unknown) + P(known = unknown) / 2` for scores `[m]` and `[n]`; 1 is perfect and 0.5
    is chance.
    """
    known, unknown = np.asarray(known), np.sort(unknown)
    below = np.searchsorted(unknown, known, "left") + np.searchsorted(unknown, known, "right")
    return float(below.mean() / 2 / len(unknown))


def threshold_that_keeps(scores, share):
    """The highest threshold with at least a `share` of the scores at or above it."""
    scores = np.sort(scores)
    place = int(np.floor((1 - share) * len(scores) + 1e-9))
    return float(scores[min(place, len(scores) - 1)])


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
        int `[n]`: what `kmeta.calibration.reliability` asks for.
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
        fits, tests: `kmeta.held_out.Answers`.
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


def softmax(logits):
    """`exp(logits) / sum exp(logits)` over the last axis."""
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
