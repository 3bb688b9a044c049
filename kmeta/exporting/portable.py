"""The portable state of a metric learner inside graphs, its labels as integers.

See `MetricLearner.portable_state`: rows that belong to classes, or to support items, whose `labels`
are one-hot there and `[items]` int64 here.
"""

import tensorflow as tf

from kmeta.episode import Support


def rows(tensors):
    """What a row of a portable state is, `"items"` or `"classes"`."""
    return "items" if "labels" in tensors else "classes"


def dtype(name):
    """Of a tensor of a portable state, by its name."""
    return tf.int64 if name == "labels" else tf.float32


def from_state(learner, state):
    """The portable form, by name, of the state of one task."""
    tensors = learner.portable_state(state)
    return {
        name: tf.argmax(x, axis=-1) if name == "labels" else tf.cast(x, dtype(name))
        for name, x in tensors.items()
    }


def to_state(learner, tensors):
    """The state of one task, by which `learner` classifies."""
    found = dict(tensors)
    if "labels" in tensors:
        found["labels"] = one_hot(tensors["labels"])
    return learner.restored_state(found)


def support_set(images, labels, way=None):
    """`Support` of one task; way is one more than the largest of `labels` unless given."""
    return Support(tf.expand_dims(images, 0), tf.expand_dims(one_hot(labels, way), 0))


def one_hot(labels, way=None):
    """`[items, way]` of integers `[items]`; a comparison, since ONNX's own wraps negative ones."""
    classes = tf.range(tf.reduce_max(labels) + 1 if way is None else way, dtype=labels.dtype)
    return tf.cast(tf.expand_dims(labels, -1) == classes, tf.float32)
