"""The state of a metric learner in a form that grows: rows that belong to items, or to classes.

A class is added by rows at the end and removed with its rows, with no more than arrays:

- `"items"`: `embedded [items, ...]`, the embedded support set as it is before anything is made of
  it, and `labels [items]` int64.
- `"classes"`: tensors `[way, ...]`, such as prototypes.
"""

import tensorflow as tf

from kmeta.episode import Support


def rows(tensors):
    """What a row of a portable state is, `"items"` or `"classes"`."""
    return "items" if "labels" in tensors else "classes"


def dtype(name):
    """Of a tensor of a portable state, by its name."""
    return tf.int64 if name == "labels" else tf.float32


def from_state(state):
    """The portable form, by name, of the state of one task."""
    if "labels" not in state:
        return {name: tensor[0] for name, tensor in state.items()}
    embedded = state.get("plain", state["embedded"])
    return {"embedded": embedded[0], "labels": tf.argmax(state["labels"][0], axis=-1)}


def to_state(learner, tensors):
    """The state of one task, by which `learner` classifies."""
    if rows(tensors) == "classes":
        tensors = {name: tf.cast(x, learner.compute_dtype) for name, x in tensors.items()}
        return {name: tf.expand_dims(tensor, 0) for name, tensor in tensors.items()}
    embedded = tf.cast(tensors["embedded"], learner.compute_dtype)
    return learner.summarise(
        tf.expand_dims(embedded, 0), tf.expand_dims(one_hot(tensors["labels"]), 0)
    )


def support_set(images, labels, way=None):
    """`Support` of one task; way is one more than the largest of `labels` unless given."""
    return Support(tf.expand_dims(images, 0), tf.expand_dims(one_hot(labels, way), 0))


def one_hot(labels, way=None):
    """`[items, way]` of integers `[items]`; a comparison, since ONNX's own wraps negative ones."""
    classes = tf.range(tf.reduce_max(labels) + 1 if way is None else way, dtype=labels.dtype)
    return tf.cast(tf.expand_dims(labels, -1) == classes, tf.float32)
