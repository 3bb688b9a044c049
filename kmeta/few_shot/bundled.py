"""What a bundle keeps of the pictures that it was made of, as `write_fit_report` asks for it."""

import keras

from kmeta.edge.classifier import FewShotClassifier
from kmeta.few_shot import left_out
from kmeta.few_shot.self_estimates import SelfEstimates
from kmeta.few_shot.support_set import SupportSet
from kmeta.learners.metric.r2d2 import R2D2

_OPTIONS = ("lam", "scale", "doubt", "views")


class Bundled(SelfEstimates):
    """The support set of a bundle, left-out answers of it, and the files of its pictures.

    The names are those of `kmeta.FewShotClassifier`.
    """

    backbone = "of the bundle"

    def __init__(self, bundle: FewShotClassifier) -> None:
        """Of a bundle in use.

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
        self.learner = R2D2(keras.layers.Identity(), **options)
        self.temperature = bundle.manifest["rejection"]["temperature"]
        self.files, self._support = bundle.pictures, support
        found = left_out.estimate(
            self.learner, support.items, support.labels, support.class_names, support.groups
        )
        self.tried, self._told = {self.backbone: found}, (support, found)

    @property
    def class_names(self) -> list[str]:
        """Names of the classes."""
        return self._support.class_names
