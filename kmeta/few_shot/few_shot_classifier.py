"""`kmeta.FewShotClassifier`: from a handful of your own pictures to a classifier you can trust."""

import numbers
import warnings
from pathlib import Path

import numpy as np

from kmeta import weights as packaged
from kmeta.checks import whole_number
from kmeta.data.dataset import Dataset
from kmeta.data.directory import read_classes
from kmeta.data.files import LIMITS
from kmeta.data.pictures import coloured, picture, warn_of_duplicates
from kmeta.data.pixels import fitted
from kmeta.edge.scoring import scores as scores_of
from kmeta.edge.scoring import softmax
from kmeta.few_shot import backbones, left_out
from kmeta.few_shot.estimates import LeaveOneOut, calibration
from kmeta.learners.classifier import CERTAIN, UNKNOWN
from kmeta.learners.labels import plain_labels

DEFAULT = "prototypical-omniglot"
BATCH = 64  # images looked at together


class FewShotClassifier:
    """A classifier of a user's own classes that grows, and knows how far it can be trusted.

    Nothing is trained: a backbone that stays as it is looks at the pictures, and its learner adapts
    to them (see `kmeta.few_shot.learner_of`). Learners of the metric family take more classes and
    pictures at any time, exactly as if they had been there from the start.

    Args:
        images: pictures of the classes, as for `predict`.
        labels: for each the name of its class, or an integer from 0 on.
        backbone, weights, size: see `kmeta.few_shot.learner_of`.
        class_names: names of classes 0, 1, ... Default: the names in `labels`, sorted.
        invert: True swaps dark and light, for a backbone that learned from light strokes on dark;
            None does so where the backbone is the name of one that came with the package and the
            pictures are bright.

    Attributes:
        class_names: of the columns of `predict`; classes added later come last.
        image_shape: `(height, width, channels)` that the backbone sees; other pictures are resized.
        temperature, threshold, familiarity: see `kmeta.Classifier`; `calibrate` sets them.

    Raises:
        ValueError: if an argument is none of those above, or there are fewer than two classes.
    """

    def __init__(
        self,
        images,
        labels,
        backbone=DEFAULT,
        weights="imagenet",
        size=None,
        class_names=None,
        invert=None,
    ):
        self.learner = backbones.learner_of(backbone, weights, size)
        self.image_shape = self.learner.image_shape
        images = self._pictures(images)
        if invert is None:
            invert = backbone in packaged.names() and images.mean() > 0.5
            invert = bool(invert and packaged.about(backbone)["light_on_dark"])
        if invert:
            self.learner = backbones.inverted(self.learner)
        self.inverted = invert
        self.temperature, self.threshold, self.familiarity = 1.0, 0.0, CERTAIN
        labels = plain_labels(labels)
        names = self.learner.adapt(images, labels, class_names).class_names
        if labels.dtype.kind == "U":
            labels = np.array([names.index(label) for label in labels])
        self._set(images, labels.astype(int), names)

    @classmethod
    def from_directory(
        cls,
        folder,
        backbone=DEFAULT,
        weights="imagenet",
        size=None,
        invert=None,
        skip_unreadable=True,
        limits=LIMITS,
    ):
        """Learn the classes of a folder, or .zip archive, with one sub-folder a class.

        Pictures may have any size and number, one of a class is enough. Unreadable ones are left
        out with a warning, duplicates are warned of.

        Args:
            folder, skip_unreadable, limits: see `kmeta.data.from_directory`.
            backbone, weights, size, invert: see the class.

        Raises:
            FileNotFoundError, ValueError: as `kmeta.data.from_directory` and the class.
        """
        learner = backbones.learner_of(backbone, weights, size)
        shape = learner.image_shape
        found = read_classes(
            folder, lambda image: (fitted(image, shape), coloured(image)), skip_unreadable, limits
        )
        pictures, colours = zip(*found.pictures, strict=True)
        if any(colours) and shape[-1] == 1:
            warnings.warn(
                "Pictures are coloured, and the backbone sees grey drawings only. For photographs "
                "choose another one, such as MobileNetV2",
                stacklevel=2,
            )
        warn_of_duplicates(pictures, found.files)
        name = backbone if backbone in packaged.names() else learner
        return cls(
            np.stack(pictures), found.labels, name, class_names=found.class_names, invert=invert
        )

    @property
    def counts(self):
        """Pictures of each class: int `[way]`."""
        return np.bincount(self._labels, minlength=len(self.class_names))

    @property
    def classifier(self):
        """The `kmeta.Classifier`: a Keras model of images `[batch, *image_shape]`."""
        options = (self.temperature, self.threshold, self.familiarity)
        return self._adapted().with_options(*options)

    def predict(self, images):
        """Probabilities `[n, way]`.

        Args:
            images: list of paths of pictures, or of arrays `[height, width, 1 or 3]`, uint8 of any
                size or floats in [0, 1] of `image_shape`; or one array of such.

        Raises:
            FileNotFoundError, ValueError: if a picture is absent, unreadable or of another form.
        """
        return softmax(self._logits(images) / self.temperature)

    def label(self, images):
        """`(labels, scores)`: the likeliest class of each image, or "unknown", and its score.

        The score is the probability, times how likely the image is of a known class at all, once
        `calibrate` has fitted that. images: see `predict`.
        """
        logits = self._logits(images)
        scores = scores_of(logits, self.temperature, self.familiarity)
        labels = [
            self.class_names[index] if score >= self.threshold else UNKNOWN
            for index, score in zip(logits.argmax(axis=-1), scores, strict=True)
        ]
        return labels, scores.tolist()

    def add_class(self, name, images):
        """Learn one more class, the last of `class_names`.

        Raises:
            ValueError: if the name is in use, or the learner has a fixed number of classes.
        """
        if name in (*self.class_names, UNKNOWN) or not isinstance(name, str) or not name:
            raise ValueError(
                f"Argument `name` must be a new class, and not {UNKNOWN!r}. Received: {name!r}"
            )
        self._grown(images, len(self.class_names), [*self.class_names, name])

    def add_examples(self, name, images):
        """Learn from more pictures of a class.

        Raises:
            ValueError: if there is no such class.
        """
        self._grown(images, self._label(name), self.class_names)

    def remove_class(self, name):
        """Forget a class.

        Raises:
            ValueError: if there is no such class, only two are left, or the learner has a fixed
                number of classes.
        """
        label = self._label(name)
        if len(self.class_names) == 2:
            raise ValueError("Two classes must remain: add another one first")
        kept = self._labels != label
        labels = self._labels[kept]
        names = [other for other in self.class_names if other != name]
        self._adapt(self._images[kept], labels - (labels > label), names)

    def leave_one_out(self):
        """How well each picture is told by all the others: a `kmeta.few_shot.LeaveOneOut`.

        An estimate of the accuracy on new pictures from the support images alone; a little low, as
        each class has one picture less. A class's only picture cannot be told.

        Raises:
            ValueError: if no class has two pictures.
        """
        queries = np.flatnonzero(self.counts[self._labels] > 1)
        if len(queries) == 0:
            raise ValueError(
                "Leaving one picture out needs a class with at least two. "
                f"Received: classes with {self.counts.tolist()} pictures"
            )
        logits = left_out.one(self.learner, self._images, self._labels, queries)
        return LeaveOneOut.of(logits, self._labels[queries], queries, self.class_names)

    def calibrate(self, data=None, keep=0.95, episodes=200, seed=0):
        """Fit `temperature`, so that probabilities mean what they say, and `familiarity` and
        `threshold`, so that images of unknown classes are refused.

        Args:
            data: `kmeta.data.Dataset` of other classes, from which tasks like this one are drawn,
                with other classes as the unknown ones, drawn in the same colours as the support
                images. Half of them is fitted to, half scored. None takes the support images: one
                left out is a query, a class left out is unknown; what is scored is then what was
                fitted to.
            keep: share of images of known classes that must not be called unknown, 0 to 1.
            episodes: tasks to draw from `data`, at least 2.
            seed: of these tasks.

        Returns:
            A `kmeta.few_shot.Calibration`.

        Raises:
            ValueError: if an argument is out of range, there are too few classes or pictures, a
                class is named "unknown", or the learner has a fixed number of classes and there
                is no `data`.
        """
        if not isinstance(keep, numbers.Real) or not 0 < keep < 1:
            raise ValueError(f"Argument `keep` must be between 0 and 1. Received: keep={keep!r}")
        episodes = whole_number("episodes", episodes, least=2)
        if not isinstance(data, Dataset | None):
            raise ValueError(
                f"Argument `data` must be a kmeta.data.Dataset, or None. Received: {data!r}"
            )
        if UNKNOWN in self.class_names:
            raise ValueError(f"What is called {UNKNOWN!r} must not be a class: rename it first")
        if data is None:
            tests = fits = left_out.classes(self.learner, self._images, self._labels)
        else:
            way, shot = len(self.class_names), int(np.median(self.counts))
            fits, tests = left_out.drawn(self.learner, data, way, shot, episodes, seed)
        found = calibration(fits, tests, self.temperature, keep)
        self.temperature, self.threshold = found.temperature, found.threshold
        self.familiarity = found.familiarity
        return found

    def export(self, directory, overwrite=False):
        """Write the classifier as a bundle, see `kmeta.export`; its sample is of the pictures."""
        from kmeta.exporting import export

        return export(self.classifier, directory, self._images[:8], overwrite)

    def _adapted(self):
        if self._classifier is None:
            self._classifier = self.learner.adapt(self._images, self._labels, self.class_names)
        return self._classifier

    def _logits(self, images):
        images, adapted = self._pictures(images), self._adapted()
        parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        return np.concatenate([np.asarray(adapted.logits(part)) for part in parts])

    def _set(self, images, labels, class_names):
        self._images, self._labels, self.class_names = images, labels, list(class_names)
        self._classifier = None

    def _grown(self, images, label, names):
        images = self._pictures(images)
        labels = np.concatenate([self._labels, np.full(len(images), label)])
        self._adapt(np.concatenate([self._images, images]), labels, names)

    def _adapt(self, images, labels, names):
        adapted = self.learner.adapt(images, labels, names)  # raises before anything is changed
        self._set(images, labels, names)
        self._classifier = adapted

    def _label(self, name):
        if name not in self.class_names:
            raise ValueError(
                f"Argument `name` must be one of {self.class_names}. Received: {name!r}"
            )
        return self.class_names.index(name)

    def _pictures(self, images):
        """Float images `[n, *image_shape]`."""
        if isinstance(images, (str, Path)):
            images = [images]
        if not hasattr(images, "__len__"):
            raise ValueError(
                "Argument `images` must hold paths of pictures, or arrays. "
                f"Received: {type(images).__name__}"
            )
        shape = np.shape(images) if isinstance(images, np.ndarray) else ()
        if len(shape) == 3 and shape[-1] in (1, 3):  # one picture
            images = [images]
        if len(images) == 0:
            raise ValueError("Argument `images` must hold at least one picture. Received: none")
        return np.stack([picture(image, self.image_shape) for image in images])

    def __repr__(self):
        return f"FewShotClassifier({len(self._labels)} images of {self.class_names})"
