"""The functions behind the signatures of a bundle, of tensors without a task axis."""

import tensorflow as tf

from kmeta.edge.images import ROUNDING
from kmeta.edge.scoring import UNKNOWN
from kmeta.exporting import encoded, portable
from kmeta.ops import scoring
from kmeta.ops.views import views


class Functions:
    """What a classifier can be asked, and for other classes its learner; each returns a dict.

    Each works with the classifier's copies of the learner's weights and keeps nothing.

    can_grow: whether the learner compares embeddings with a state to which classes can be added.
    way: fixed where the learner's network has as many outputs, None where it may be any number.
    """

    def __init__(self, classifier):
        self.classifier = classifier
        self.learner = classifier.learner
        self.can_grow = classifier.can_grow
        self.way = None if self.can_grow else len(classifier.class_names)
        self._names = list(self.state()) if self.can_grow else []  # a graph would read it all
        self._network = tf.function(self.learner.network, autograph=False)  # once for all that call

    def state(self):
        """The classifier's own portable state, tensors by name."""
        return portable.from_state(self.learner, self.classifier.state)

    def serving_default(self, images, **settings):
        """Probabilities, names and scores of images."""
        if not self.can_grow:
            return self._named(self.classifier.logits(images), settings)
        answers = self.classifier_and_embeddings(images, **settings)
        del answers["embeddings"]
        return answers

    def serving_bytes(self, image_bytes, **settings):
        """The same of PNG and JPEG files."""
        images = encoded.decode(image_bytes, self.classifier.image_shape, self.classifier.crop)
        return self.serving_default(images, **settings)

    def serving_raw(self, raw_images, **settings):
        """The same of pixels of any size."""
        return self.serving_default(self.resize(raw_images)["images"], **settings)

    def resize(self, raw_images):
        """Images of pixels of any size."""
        return {
            "images": encoded.fit(raw_images, self.classifier.image_shape, self.classifier.crop)
        }

    def classifier_and_embeddings(self, images, **settings):
        """`serving_default` and `embed` at once."""
        with self.classifier.own_weights():
            embedded = self._embedded(images)
            logits = self.learner.compare(self.classifier.held_state, embedded)[0]
        embeddings = {"embeddings": tf.cast(embedded[0], tf.float32)}
        return {**self._named(logits, settings), **embeddings}

    def embed(self, images):
        """Embedded queries."""
        with self.classifier.own_weights():
            embedded = self._embedded(images)[0]
        return {"embeddings": tf.cast(embedded, tf.float32)}

    def views(self, images):
        """Looks at each support image, `[items, views, ...]`."""
        return {"views": views(images, self.learner.views)}

    def embed_support(self, images):
        """Embedded support images."""
        with self.classifier.own_weights():
            embedded = self._embedded_support(images)[0]
        return {"embeddings": tf.cast(embedded, tf.float32)}

    def adapt(self, support_images, support_labels):
        """The portable state of a support set."""
        embedded = self.embed_support(support_images)["embeddings"]
        return self.adapt_embedded(embedded, support_labels)

    def adapt_embedded(self, support_embeddings, support_labels):
        """The same of embedded images."""
        support = portable.support_set(support_embeddings, support_labels)
        with self.classifier.own_weights():
            state = self.learner.summarise(*support)
            return portable.from_state(self.learner, state)

    def classify(self, queries, *tensors, **settings):
        """Answers for queries by a portable state, its tensors in the order of the classifier's."""
        return self.classify_embedded(self.embed(queries)["embeddings"], *tensors, **settings)

    def classify_embedded(self, embeddings, *tensors, **settings):
        """The same for embedded queries."""
        embedded = tf.expand_dims(embeddings, 0)
        with self.classifier.own_weights():
            named = dict(zip(self._names, tensors, strict=True))
            state = portable.to_state(self.learner, named)
            logits = self.learner.compare(state, embedded)[0]
        return _answers(logits, **settings)

    def episode(self, support_images, support_labels, queries, **settings):
        """Answers for queries after adapting to a support set."""
        support = portable.support_set(support_images, support_labels, self.way)
        with self.classifier.own_weights():
            if self.can_grow:
                embedded = self._embedded_support(support_images)
                state = self.learner.summarise(embedded, support.y)
                logits = self.learner.compare(state, self._embedded(queries))[0]
            else:
                state = self.learner.adapt_state(support, deployed=True)
                logits = self.learner.classify(state, tf.expand_dims(queries, 0))[0]
        return _answers(logits, **settings)

    def _embedded_support(self, images):
        return self.learner.embed_support(tf.expand_dims(images, 0), network=self._network)

    def _embedded(self, images):
        return self.learner.embed(tf.expand_dims(images, 0), network=self._network)

    def _named(self, logits, settings):
        found = _answers(logits, **settings)
        names = tf.constant([UNKNOWN, *self.classifier.class_names])
        label = tf.gather(names, found["index"] + 1)
        return {"probabilities": found["probabilities"], "label": label, "score": found["score"]}


def _answers(logits, **settings):
    """The answers of `kmeta.ops.scoring`; `index` is the likeliest class, -1 for unknown."""
    probabilities, score, known = scoring.answers(tf.cast(logits, tf.float32), **settings)
    index = tf.where(known, tf.argmax(probabilities, axis=-1), tf.constant(-1, tf.int64))
    return {"probabilities": probabilities, "index": index, "score": score}


def pixel_check(name):
    """A function of inputs by name that returns operations that fail unless one holds pixels."""

    def check(given):
        images = given[name]
        if images.shape.rank == 2:  # vectors are no pictures
            sound = tf.math.is_finite(images)
        else:
            sound = (images >= -ROUNDING) & (images <= 1 + ROUNDING)
        text = f"`{name}` must hold finite floats in [0, 1]"
        return [tf.debugging.Assert(tf.reduce_all(sound), [text])]

    return check


def label_check(way):
    """A function of inputs by name that returns operations that fail on wrong labels."""
    last = "the largest" if way is None else way - 1

    def check(given):
        support_images, support_labels = given["support_images"], given["support_labels"]
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
