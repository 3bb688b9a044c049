"""How many labelled pictures, that were not learned from, a classifier tells right."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from kmeta.data.directory import read_classes
from kmeta.data.files import LIMITS, Limits
from kmeta.data.pixels import fitted
from kmeta.evaluation.confusion import confusion_matrix
from kmeta.evaluation.intervals import wilson_interval
from kmeta.evaluation.open_set import auroc

BATCH = 32  # pictures looked at together


def score_folder(
    classifier: Any, folder: str | os.PathLike[str], limits: Limits = LIMITS
) -> "LabelledScore":
    """The `LabelledScore` of a classifier on a folder or .zip archive of labelled pictures.

    Args:
        classifier: `kmeta.FewShotClassifier`, `kmeta.Classifier` or a bundle in use: what has
            `label`, `image_shape`, `crop` and `class_names`.
        folder: one sub-folder a class; those of other names are unknown classes. Pictures that
            cannot be read are left out, with a warning.
        limits: see `kmeta.data.from_directory`.

    Raises:
        FileNotFoundError, ValueError: as `kmeta.data.from_directory`, and if no sub-folder is
            named as a class.

    Example:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> images = np.stack([np.full((8, 8, 1), shade, "uint8") for shade in (20, 200)])
        >>> for name, image in zip(["dark", "light"], images):
        ...     Path("new", name).mkdir(parents=True)
        ...     Image.fromarray(image[..., 0]).save(Path("new", name, "1.png"))
        >>> learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
        >>> score_folder(learner.adapt(images, ["dark", "light"]), "new").accuracy
        1.0
    """
    shape, waiting, answers, scores = tuple(classifier.image_shape), [], [], []

    def flush():
        found = classifier.label(np.stack(waiting))
        answers.extend(found[0])
        scores.extend(found[1])
        waiting.clear()

    def look(image):
        waiting.append(fitted(image, shape, classifier.crop))
        if len(waiting) == BATCH:
            flush()

    found = read_classes(folder, look, True, limits)
    if waiting:
        flush()
    labels = [found.class_names[label] for label in found.labels]
    return LabelledScore.of(labels, answers, scores, found.files, classifier.class_names)


@dataclasses.dataclass(frozen=True, repr=False)
class LabelledScore:
    """Answers to labelled pictures.

    accuracy: share that was told right, 0 to 1; an answer "unknown" is wrong.
    interval: its 95 % interval, `(low, high)` (Wilson 1927).
    confusion: int `[way, way + 1]`: row i, column j counts the pictures of class i that were taken
        for j, or for "unknown" in the last column.
    errors: `[(file, class, taken for, score)]`.
    class_names: of the rows.
    unknown: number of pictures of other classes.
    refused: share of these that were called "unknown", 0 to 1; None if there are none.
    auroc: how often a picture of a known class scores higher than one of these; None if there are
        none.

    Example:
        >>> found = LabelledScore.of(
        ...     ["a", "a", "b", "x"], ["a", "b", "b", "unknown"], [0.9, 0.6, 0.8, 0.1],
        ...     ["1", "2", "3", "4"], ["a", "b"])
        >>> round(found.accuracy, 2), found.errors, found.refused
        (0.67, [('2', 'a', 'b', 0.6)], 1.0)
    """

    accuracy: float
    interval: tuple[float, float]
    confusion: np.ndarray
    errors: list[tuple[str, str, str, float]]
    class_names: list[str]
    unknown: int
    refused: float | None
    auroc: float | None

    @classmethod
    def of(
        cls,
        labels: Sequence[str],
        answers: Sequence[str],
        scores: Sequence[float],
        files: Sequence[str],
        class_names: Sequence[str],
    ) -> "LabelledScore":
        """From names of classes, as they are and as they were given, `[n]` each.

        Names that are not in `class_names` are of other classes.

        Raises:
            ValueError: if no picture is of one of the classes.
        """
        names, numbers = list(class_names), np.asarray(scores, "float64")
        known = np.array([label in names for label in labels])
        if not known.any():
            raise ValueError(
                f"Labelled pictures must be of the classes {names}. Received: pictures of "
                f"{sorted(set(labels))}"
            )
        rows = list(zip(labels, answers, scores, files, strict=True))
        mine = [row for row, is_known in zip(rows, known, strict=True) if is_known]
        columns = {name: number for number, name in enumerate(names)}
        confusion = confusion_matrix(
            np.array([columns[label] for label, *_ in mine]),
            np.array([columns.get(answer, len(names)) for _, answer, *_ in mine]),
            len(names) + 1,
        )[: len(names)]
        hits = int(np.trace(confusion))
        others = [answer for (_, answer, *_), k in zip(rows, known, strict=True) if not k]
        return cls(
            accuracy=hits / len(mine),
            interval=wilson_interval(hits, len(mine)),
            confusion=confusion,
            errors=[(f, label, a, float(s)) for label, a, s, f in mine if a != label],
            class_names=names,
            unknown=len(others),
            refused=float(np.mean([a not in names for a in others])) if others else None,
            auroc=auroc(numbers[known], numbers[~known]) if others else None,
        )

    def __str__(self):
        low, high = self.interval
        count = int(self.confusion.sum())
        lines = [
            f"Accuracy on {count} labelled pictures that were not learned from: "
            f"{100 * self.accuracy:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f})"
        ]
        for name, row in zip(self.class_names, self.confusion, strict=True):
            if row.sum():
                right = row[self.class_names.index(name)]
                lines.append(f"  {name}: {right} of {row.sum()} ({100 * right / row.sum():.0f} %)")
        lines += [f"  {f}: {label} taken for {a} ({s:.2f})" for f, label, a, s in self.errors]
        if self.unknown:
            lines.append(
                f"Of {self.unknown} pictures of other classes {100 * self.refused:.1f} % are "
                f"refused (AUROC {self.auroc:.3f})"
            )
        return "\n".join(lines)
