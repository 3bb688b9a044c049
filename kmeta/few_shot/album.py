"""Pictures as a learner sees them: prepared, embedded a batch at a time, and no longer kept."""

import keras
import numpy as np
from keras import ops

from kmeta.data.pictures import picture, pictures_of
from kmeta.few_shot import backbones
from kmeta.learners.classifier import Classifier
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.ops.views import views

BATCH = 16  # pictures looked at together
SAMPLE = 8  # prepared pictures that are kept, to prove an export with


class Album:
    """Pictures that come one by one, as one learner needs them.

    Of a learner that compares embeddings only these are kept, so that ten thousand photographs need
    no more memory than their features; of another one the prepared pictures.

    Args:
        learner: a built `MetaLearner`.
        invert: whether dark and light are swapped; None swaps them where the pictures are bright
            on the whole, and the learner learned from light strokes on dark.
        light_on_dark: whether it did.

    Attributes:
        learner: the learner, which swaps dark and light itself where that is asked for.
        inverted: whether it does.
        sample: the first few prepared pictures.
    """

    def __init__(self, learner, invert=None, light_on_dark=False):
        self.learner, self.inverted = learner, bool(invert)
        self.image_shape, self.crop = learner.image_shape, learner.crop
        self.keeps_features = keeps_features(learner)
        self.sample = []
        self._undecided = invert is None and light_on_dark
        self._waiting, self._kept, self._look = [], [], None
        if invert:
            self._swap()

    def add(self, image):
        """Take one more picture, see `kmeta.data.pictures.picture`; returns it prepared."""
        prepared = picture(image, self.image_shape, self.crop)
        if len(self.sample) < SAMPLE:
            self.sample.append(prepared)
        self._waiting.append(prepared)
        if not self._undecided and len(self._waiting) >= BATCH:
            self._flush()
        return prepared

    def close(self):
        """What is kept of all pictures that were added, `[n, ...]`; the album is then empty.

        The first time it is decided whether dark and light are swapped.
        """
        if self._undecided:
            self._undecided = False
            if np.mean([prepared.mean() for prepared in self._waiting]) > 0.5:
                self._swap()
        while self._waiting:
            self._flush()
        kept, self._kept = np.concatenate(self._kept), []
        return kept

    def embed(self, images):
        """What is kept of prepared images `[n, *image_shape]`: these, or features `[n, ...]`; of
        several views of each, `[n, views, ...]`."""
        if not self.keeps_features:
            return images
        if self.learner.views == 1:
            return self._features(images)
        parts = [views(part[None], self.learner.views)[0] for part in images]
        return np.stack([self._features(ops.convert_to_numpy(part)) for part in parts])

    def _features(self, images):
        if self._look is None:  # a model, which runs as a graph
            self._look = keras.Sequential([keras.Input(self.image_shape), self.learner.network])
        parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
        return np.concatenate([self._look.predict_on_batch(part) for part in parts])

    def look_at(self, images):
        """What is kept of more images than were added, `[n, ...]`; they are as for `add`."""
        return np.concatenate([self.embed(part) for part in self._parts(images)])

    def adapt(self, support):
        """The `Classifier` of a `kmeta.few_shot.support_set.SupportSet`."""
        if not self.keeps_features:
            return self.learner.adapt(support.items, support.labels, support.class_names)
        one_hot = np.eye(len(support.class_names), dtype="float32")[support.labels]
        x, y = (ops.convert_to_tensor(part[None]) for part in (support.items, one_hot))
        return Classifier(self.learner, self.learner.summarise(x, y), support.class_names)

    def logits(self, classifier, images):
        """Logits `[n, way]` of images by a classifier that this album's learner became."""
        if not self.keeps_features:
            parts = [classifier.logits(part) for part in self._parts(images)]
            return np.concatenate([ops.convert_to_numpy(part) for part in parts])
        parts = [self._features(part) for part in self._parts(images)]
        embedded = ops.convert_to_tensor(np.concatenate(parts)[None])
        return ops.convert_to_numpy(self.learner.compare(classifier.state, embedded))[0]

    def _parts(self, images):
        """Prepared images `[n, *image_shape]`, a batch at a time."""
        images = pictures_of(images)
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            yield np.stack([picture(image, self.image_shape, self.crop) for image in batch])

    def _flush(self):
        batch, self._waiting = np.stack(self._waiting[:BATCH]), self._waiting[BATCH:]
        self._kept.append(self.embed(batch))

    def _swap(self):
        self.learner, self.inverted = backbones.inverted(self.learner), True


def keeps_features(learner):
    """Whether a learner needs no more of pictures than one embedding of each."""
    return isinstance(learner, MetricLearner) and learner.support_embedding is None
