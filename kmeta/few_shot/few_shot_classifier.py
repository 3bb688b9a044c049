"""`kmeta.FewShotClassifier`: from a handful of your own pictures to a classifier you can trust."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.data.dataset import Dataset
from kmeta.data.directory import check_classes
from kmeta.data.files import LIMITS, Limits
from kmeta.data.pictures import pictures_of
from kmeta.edge import names
from kmeta.edge.scoring import labels as labels_of
from kmeta.edge.scoring import scores as scores_of
from kmeta.edge.scoring import softmax
from kmeta.evaluation.labelled import LabelledScore, score_folder
from kmeta.exporting import ExportReport, Int8, export
from kmeta.few_shot import choosing, left_out
from kmeta.few_shot.choosing import AUTO
from kmeta.few_shot.estimates import Calibration, calibration, calibration_options
from kmeta.few_shot.self_estimates import SelfEstimates
from kmeta.few_shot.thumbnails import copies_of
from kmeta.learners.classifier import CERTAIN, UNKNOWN, Classifier
from kmeta.learners.classifier_inputs import check_options
from kmeta.learners.labels import labels_and_names
from kmeta.learners.meta_learner import MetaLearner


class FewShotClassifier(SelfEstimates):
    """A classifier of a user's own classes that grows, and knows how far it can be trusted.

    Nothing is trained: a backbone that stays as it is looks at the pictures, and its learner adapts
    to them (see `kmeta.few_shot.learner_of`). Learners of the metric family take more classes and
    pictures at any time, exactly as if they had been there from the start.

    Args:
        images: pictures of the classes, as for `predict`.
        labels: for each the name of its class, or an integer from 0 on.
        backbone: see `kmeta.few_shot.learner_of`; or "auto": "photos" and "prototypical-omniglot"
            are tried, and the one that tells more of the left-out pictures right is taken.
        weights, size, head: see `kmeta.few_shot.learner_of`.
        class_names: names of classes 0, 1, ... Default: the names in `labels`, sorted.
        invert: True swaps dark and light, for a backbone that learned from light strokes on dark;
            None does so where the backbone is the name of one that came with the package and the
            pictures are bright.

    Attributes:
        backbone: name of the backbone, that which was taken of several.
        tried: `{name: LeaveOneOut or None}` of the backbones that were tried, and of "raw pixels",
            which compares 32 x 32 pixels, for comparison.
        files: names of the pictures' files in their folder, None where there is none.
        temperature, threshold, familiarity: see `kmeta.Classifier`; `calibrate` sets them.

    Raises:
        ValueError: if an argument is none of those above, or there are fewer than two classes.

    Example:
        >>> images = [np.full((32, 32, 3), shade, "uint8") for shade in (20, 30, 200, 210)]
        >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
        >>> mine = FewShotClassifier(images, ["dark", "dark", "light", "light"], backbone=network)
        >>> mine.class_names, mine.counts.tolist()
        (['dark', 'light'], [2, 2])
        >>> mine.label([np.full((32, 32, 3), 25, "uint8")])[0]
        ['dark']
    """

    def __init__(
        self,
        images: Any,
        labels: ArrayLike,
        backbone: Any = AUTO,
        weights: str | os.PathLike[str] | None = "imagenet",
        size: int | None = None,
        class_names: Sequence[str] | None = None,
        invert: bool | None = None,
        head: str | None = None,
    ) -> None:
        images = pictures_of(images)
        labels, class_names = labels_and_names(labels, class_names, len(images))
        albums = choosing.albums(backbone, weights, size, invert, head, len(images))
        pixels = choosing.pixel_album()
        for image in images:
            for album in (*albums.values(), pixels):
                album.add(image)
        self._choose(albums, pixels, labels, class_names)

    @classmethod
    def from_directory(
        cls,
        folder: str | os.PathLike[str],
        backbone: Any = AUTO,
        weights: str | os.PathLike[str] | None = "imagenet",
        size: int | None = None,
        invert: bool | None = None,
        head: str | None = None,
        skip_unreadable: bool = True,
        limits: Limits = LIMITS,
        progress: Callable[[int, int], object] | None = None,
        thumbnails: bool = False,
    ) -> "FewShotClassifier":
        """Learn the classes of a folder, or .zip archive, with one sub-folder a class.

        Pictures may have any size and number, one of a class is enough. Each is read once, and not
        kept. Unreadable ones are left out with a warning, duplicates are warned of.

        Args:
            folder, skip_unreadable, limits: see `kmeta.data.from_directory`.
            backbone, weights, size, invert, head: see the class.
            progress: function of the number of pictures that were read and of all of them.
            thumbnails: whether small copies are kept and exported, see `kmeta.edge.thumbnails`.

        Raises:
            FileNotFoundError, ValueError: as `kmeta.data.from_directory` and the class.
        """
        count = sum(check_classes(folder, limits).values())
        albums = choosing.albums(backbone, weights, size, invert, head, count)
        pixels = choosing.pixel_album()
        copies = copies_of(albums, count, thumbnails)
        others = (pixels, copies)
        found = choosing.read(folder, albums, others, skip_unreadable, limits, progress)
        self = cls.__new__(cls)
        self._choose(albums, pixels, np.array(found.labels), list(found.class_names))
        self.files, self._copies = list(found.files), copies
        return self

    def _choose(self, albums, pixels, labels, class_names):
        """Take the backbone that tells the pictures best."""
        self.backbone, support, self.tried = choosing.choose(albums, pixels, labels, class_names)
        self._album, self._support = albums[self.backbone], support
        self._told = support, self.tried[self.backbone]
        self._classifier = self.files = self._copies = None
        self.temperature, self.threshold, self.familiarity = 1.0, 0.0, CERTAIN

    @property
    def class_names(self) -> list[str]:
        """Names of the columns of `predict`; classes added later come last."""
        return list(self._support.class_names)

    @property
    def learner(self) -> MetaLearner:
        """The learner that adapts to the pictures."""
        return self._album.learner

    @property
    def image_shape(self) -> tuple[int, ...]:
        """`(height, width, channels)` that the backbone sees."""
        return self._album.image_shape

    @property
    def crop(self) -> float | None:
        """What is taken of a photograph, see `kmeta.MetaLearner.crop`."""
        return self._album.crop

    @property
    def inverted(self) -> bool:
        """Whether dark and light are swapped."""
        return self._album.inverted

    @property
    def counts(self) -> np.ndarray:
        """Pictures of each class: int `[way]`."""
        return self._support.counts

    @property
    def classifier(self) -> Classifier:
        """The `kmeta.Classifier`: a Keras model of images `[batch, *image_shape]`."""
        return self._adapted().with_options(self.temperature, self.threshold, self.familiarity)

    def predict(self, images: Any) -> np.ndarray:
        """Probabilities `[n, way]`.

        Args:
            images: list of paths of pictures, or of arrays `[height, width, 1 or 3]`, uint8 of any
                size or floats in [0, 1] of `image_shape`; or one array of such.

        Raises:
            FileNotFoundError, ValueError: if a picture is absent, unreadable or of another form.
        """
        return softmax(self._album.logits(self._adapted(), images) / self.temperature)

    def label(self, images: Any) -> tuple[list[str], list[float]]:
        """`(labels, scores)`: the likeliest class of each image, or "unknown", and its score.

        The score is the probability, times how likely the image is of a known class at all, once
        `calibrate` or `fit_familiarity` has fitted that. images: see `predict`.
        """
        logits = self._album.logits(self._adapted(), images)
        scores = scores_of(logits, self.temperature, self.familiarity)
        labels = labels_of(logits, scores, self.class_names, self.threshold, UNKNOWN)
        return labels, scores.tolist()

    def add_class(self, name: str, images: Any) -> None:
        """Learn one more class, the last of `class_names`.

        Raises:
            ValueError: if the name is in use, "unknown" or no text of printed
                characters, or the learner has a fixed number of classes.
        """
        names.check_new(name, self.class_names, UNKNOWN)
        self._adapt(self._support.with_items(name, self._album.look_at(images)))

    def add_examples(self, name: str, images: Any) -> None:
        """Learn from more pictures of a class.

        Raises:
            ValueError: if there is no such class.
        """
        self._support.of_class(name)
        self._adapt(self._support.with_items(name, self._album.look_at(images)))

    def remove_class(self, name: str) -> None:
        """Forget a class. Raises ValueError if there is no such class, only two are left, or the
        learner has a fixed number of classes."""
        self._adapt(self._support.without(name))

    def score(self, folder: str | os.PathLike[str], limits: Limits = LIMITS) -> LabelledScore:
        """Accuracy on a folder of labelled pictures that were not learned from; args, returns and
        raises: see `kmeta.evaluation.score_folder`."""
        return score_folder(self, folder, limits)

    def calibrate(
        self, data: Dataset | None = None, keep: float = 0.95, episodes: int = 200, seed: int = 0
    ) -> Calibration:
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
        keep, episodes = calibration_options(keep, episodes, data)
        if UNKNOWN in self.class_names:
            raise ValueError(f"What is called {UNKNOWN!r} must not be a class: rename it first")
        fits, tests = left_out.two_halves(self._album, self._support, data, episodes, seed)
        found = calibration(fits, tests, self.temperature, keep)
        self.temperature, self.threshold = found.temperature, found.threshold
        self.familiarity = found.familiarity
        return found

    def export(
        self,
        directory: str | os.PathLike[str],
        overwrite: bool = False,
        quantize: Int8 | None = None,
    ) -> ExportReport:
        """Write the classifier as a bundle, see `kmeta.export`; its sample is two pictures."""
        sample = np.stack([self._album.sample[number] for number in (0, -1)])
        small = self._copies and self._copies.of(self.features(), self._support.labels)
        options: dict[str, Any] = {"pictures": self.files, "thumbnails": small}
        return export(self.classifier, directory, sample, overwrite, quantize=quantize, **options)

    def label_sets(self, images: ArrayLike, coverage: float = 0.9) -> list[list[str]]:
        """For each image all classes that it may well be of, the likeliest first.

        The class of a new picture, taken like these, is among them in a share `coverage` of all
        cases (split conformal prediction, Sadinle et al. 2019, with the probabilities of left-out
        pictures in place of a second set of them, so about). None may be left of an image that is
        like no class.

        Args:
            images: see `predict`.
            coverage: between 0 and 1.

        Raises:
            ValueError: as `predict`, and as `least_probability`.
        """
        least, names = self.least_probability(coverage), self.class_names
        return [
            [names[i] for i in np.argsort(-row, kind="stable") if row[i] >= least]
            for row in self.predict(images)
        ]

    def _adapted(self):  # attributes can be set by anybody
        check_options(self.temperature, self.threshold, self.familiarity, self.class_names)
        if self._classifier is None:
            self._classifier = self._album.adapt(self._support)
        return self._classifier

    def _adapt(self, support):
        self._classifier = self._album.adapt(support)  # raises before anything is changed
        self._support, self.files, self._copies = support, None, None

    def __repr__(self):
        return f"FewShotClassifier({len(self._support.labels)} images of {self.class_names})"
