"""What a `FewShotClassifier`, or a bundle of one, tells about itself by its own pictures."""

from typing import Any

import numpy as np

from kmeta.edge.nearest import whole
from kmeta.edge.scoring import softmax
from kmeta.evaluation.conformal import least_probability
from kmeta.evaluation.open_set import fit_familiarity
from kmeta.few_shot import duplicates, left_out
from kmeta.few_shot.estimates import LeaveOneOut
from kmeta.few_shot.support_set import SupportSet
from kmeta.learners.metric.metric_learner import MetricLearner


class SelfEstimates:
    """What needs no more than the pictures that were learned from, as they are kept."""

    learner: Any
    temperature: float
    familiarity: tuple[float, float]
    _support: SupportSet
    _told: tuple[SupportSet, LeaveOneOut | None]  # the estimate, and of which pictures it is

    def leave_one_out(self) -> LeaveOneOut:
        """How well each picture is told by all the others: a `kmeta.few_shot.LeaveOneOut`.

        An estimate of the accuracy on new pictures from the support images alone; a little low, as
        each class has one picture less. Near-duplicates are left out together, see
        `near_duplicates`. A class's only picture, or only pictures of one thing, cannot be told.

        Raises:
            ValueError: if no class has two pictures that differ.
        """
        found = self._left_out()
        if found is None:
            raise ValueError(
                "Leaving one picture out needs a class with at least two that differ. "
                f"Received: classes with {self._support.counts.tolist()} pictures"
            )
        return found

    def fit_familiarity(self) -> None:
        """Let scores say how likely a picture is of a known class at all, as `calibrate` does on
        the support images alone; probabilities and labels stay.

        Nothing changes where that cannot be judged: with fewer than three classes, a learner that
        has a fixed number of them, or no picture to leave out.
        """
        support, told, learner = self._support, self._left_out(), self.learner
        is_metric = isinstance(learner, MetricLearner)
        if told is not None and len(support.class_names) > 2 and is_metric:
            unknown = left_out.without_class(learner, support.items, support.labels)
            self.familiarity = fit_familiarity(told.logits.max(-1), unknown.max(-1))

    def _left_out(self):
        """The estimate of the present pictures, made once; None where none can be left out."""
        support = self._support
        if self._told[0] is not support:
            found = left_out.estimate(
                self.learner, support.items, support.labels, support.class_names, support.groups
            )
            self._told = support, found
        return self._told[1]

    def near_duplicates(self) -> list[np.ndarray]:
        """Pictures of one class that are nearly the same, such as shots of one thing.

        Returns:
            List of int arrays, which pictures belong together; those with others only. See
            `kmeta.few_shot.duplicates.groups`.
        """
        return [group for group in self._support.groups if len(group) > 1]

    def pictures_of_class(self, name: str) -> np.ndarray:
        """Which of the pictures are of a class, int `[shots]`."""
        return self._support.of_class(name)

    def nearest(self, number: int, count: int = 3) -> list[tuple[int, float]]:
        """The other pictures that are most like one: `[(number, cosine of their features)]`."""
        return duplicates.nearest(self._support.items, number, count)

    def features(self) -> np.ndarray:
        """What the backbone sees in each picture as a whole, `[n, d]`."""
        return whole(self._support.items)

    def least_probability(self, coverage: float = 0.9) -> float:
        """The probability from which on `label_sets` names a class.

        Raises:
            ValueError: if `coverage` is out of range, or there are too few pictures for it.
        """
        found = self.leave_one_out()
        probabilities = softmax(np.asarray(found.logits, "float64") / self.temperature)
        return least_probability(probabilities, found.labels, coverage)
