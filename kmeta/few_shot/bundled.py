"""What a bundle keeps of the pictures that it was made of, as `write_fit_report` asks for it."""

import dataclasses

import keras
import numpy as np

from kmeta.edge.classifier import FewShotClassifier
from kmeta.few_shot import duplicates, left_out
from kmeta.few_shot.estimates import LeaveOneOut
from kmeta.few_shot.support_set import SupportSet
from kmeta.learners.metric.r2d2 import R2D2

_OPTIONS = ("lam", "scale", "doubt", "views")


@dataclasses.dataclass(frozen=True)
class Bundled:
    """The support set of a bundle, left-out answers of it, and the files of its pictures.

    The names are those of `kmeta.FewShotClassifier`.
    """

    support: SupportSet
    tried: dict[str, LeaveOneOut | None]
    files: list[str]
    temperature: float
    backbone = "of the bundle"

    @classmethod
    def of(cls, bundle: FewShotClassifier) -> "Bundled":
        """From a bundle in use.

        Raises:
            ValueError: if it does not keep what it knows of each picture, or not their files.
        """
        described = bundle.manifest["learner"]
        if described["class_name"] != "kmeta>R2D2" or bundle.pictures is None:
            raise ValueError(
                "A report needs a bundle that keeps each picture's features and file, which "
                "`kmeta fit` writes with the head ridge, and whose classes were not changed "
                f"since. Received: '{bundle.path}'"
            )
        known = bundle.known()
        support = SupportSet(known["embedded"], known["labels"], list(bundle.class_names))
        options = {name: described["config"][name] for name in _OPTIONS}
        learner = R2D2(keras.layers.Identity(), **options)
        found = left_out.estimate(
            learner, support.items, support.labels, support.class_names, support.groups
        )
        temperature = bundle.manifest["rejection"]["temperature"]
        return cls(support, {cls.backbone: found}, bundle.pictures, temperature)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes."""
        return self.support.class_names

    def pictures_of_class(self, name: str) -> np.ndarray:
        """Which of the pictures are of a class."""
        return self.support.of_class(name)

    def near_duplicates(self) -> list[np.ndarray]:
        """Pictures of one class that are nearly the same."""
        return [group for group in self.support.groups if len(group) > 1]

    def nearest(self, number: int, count: int = 3) -> list[tuple[int, float]]:
        """The other pictures that are most like one."""
        return duplicates.nearest(self.support.items, number, count)

    def features(self) -> np.ndarray:
        """Of each picture as a whole, `[n, d]`."""
        return duplicates.whole(self.support.items)
