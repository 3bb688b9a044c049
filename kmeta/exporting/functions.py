"""The functions behind the signatures of a bundle, of tensors without a task axis."""

import tensorflow as tf

from kmeta.edge.scoring import UNKNOWN
from kmeta.exporting import encoded, portable
from kmeta.ops import scoring


class Functions:
    """What a classifier, and the learner it came from, can be asked; each returns a dict.

    Each works with the classifier's copies of the learner's weights and keeps nothing. `way` is
    fixed where the learner's network has as many outputs, None where it may be any number.
    """

    def __init__(self, classifier, way):
        self.classifier = classifier
        self.learner = classifier.learner
        self.way = way

    def serving_default(self, images, **settings):
        """Probabilities, names and scores of images."""
        found = _answers(self.classifier.logits(images), **settings)
        index = found.pop("index")
        names = tf.constant([UNKNOWN, *self.classifier.class_names])
        return {**found, "label": tf.gather(names, index + 1)}

    def serving_bytes(self, image_bytes, **settings):
        """The same of PNG and JPEG files."""
        images = encoded.decode(image_bytes, self.classifier.image_shape, self.classifier.crop)
        return self.serving_default(images, **settings)

    def serving_raw(self, raw_images, **settings):
        """The same of pixels of any size."""
        images = encoded.fit(raw_images, self.classifier.image_shape, self.classifier.crop)
        return self.serving_default(images, **settings)

    def embed(self, images):
        """Embedded queries."""
        with self.classifier.own_weights():
            embedded = self.learner.embed(tf.expand_dims(images, 0))[0]
        return {"embeddings": tf.cast(embedded, tf.float32)}

    def adapt(self, support_images, support_labels):
        """The portable state of a support set."""
        with self.classifier.own_weights():
            state = portable.from_state(self._adapted(support_images, support_labels))
        return {name: tf.cast(x, portable.dtype(name)) for name, x in state.items()}

    def classify(self, queries, *tensors, **settings):
        """Answers for queries by a portable state, its tensors in the order of the classifier's."""
        names = portable.from_state(self.classifier.state)
        with self.classifier.own_weights():
            state = portable.to_state(self.learner, dict(zip(names, tensors, strict=True)))
            logits = self.learner.classify(state, tf.expand_dims(queries, 0))[0]
        return _answers(logits, **settings)

    def episode(self, support_images, support_labels, queries, **settings):
        """Answers for queries after adapting to a support set."""
        with self.classifier.own_weights():
            state = self._adapted(support_images, support_labels)
            logits = self.learner.classify(state, tf.expand_dims(queries, 0))[0]
        return _answers(logits, **settings)

    def _adapted(self, images, labels):
        return self.learner.adapt_state(
            portable.support_set(images, labels, self.way), deployed=True
        )


def _answers(logits, **settings):
    """The answers of `kmeta.ops.scoring`; `index` is the likeliest class, -1 for unknown."""
    probabilities, score, known = scoring.answers(tf.cast(logits, tf.float32), **settings)
    index = tf.where(known, tf.argmax(probabilities, axis=-1), tf.constant(-1, tf.int64))
    return {"probabilities": probabilities, "index": index, "score": score}


def label_check(way):
    """A function of a support set's tensors that returns operations that fail on wrong labels."""
    last = "the largest" if way is None else way - 1

    def check(support_images, support_labels, *_):
        largest = tf.reduce_max(support_labels) if way is None else tf.constant(way - 1, tf.int64)
        found = tf.sort(tf.unique(support_labels)[0])
        in_range = tf.reduce_all((found >= 0) & (found <= largest))
        complete = in_range & (tf.size(found, tf.int64) == largest + 1)
        return [
            tf.debugging.Assert(
                tf.shape(support_labels)[0] == tf.shape(support_images)[0],
                ["`support_labels` must hold one label for each of `support_images`"],
            ),
            tf.debugging.Assert(
                complete,
                [f"`support_labels` must hold every integer from 0 to {last}. Received:", found],
                summarize=50,
            ),
        ]

    return check
