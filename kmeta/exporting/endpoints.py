"""What a bundle offers: one table of functions, for the SavedModel and for ONNX.

| name | inputs | outputs |
|---|---|---|
| `serving_default` | `images` | `probabilities`, `label`, `score` |
| `serving_bytes` | `image_bytes`, PNG or JPEG | the same; SavedModel only |
| `serving_raw` | `raw_images`, uint8 of any size, grey or colour | the same |
| `embed` | `images` | `embeddings` |
| `adapt` | `support_images`, `support_labels` | the state, such as `prototypes` |
| `classify` | `queries` and the state | `probabilities`, `index`, `score` |
| `episode` | `support_images`, `support_labels`, `queries` | the same |

`embed`, `adapt` and `classify` are there for metric learners only. None keeps anything between
calls. `label` is `"unknown"` and `index` -1 where `score` is below the threshold.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kmeta.exporting import encoded, portable
from kmeta.exporting.functions import Functions, label_check
from kmeta.learners.metric.metric_learner import MetricLearner

OF_THESE_CLASSES = ("serving_default", "serving_bytes", "serving_raw")  # others are of any


class Endpoint(NamedTuple):
    """A function of named tensors that returns a dict of named tensors.

    inputs: `tf.TensorSpec`s, named as the first arguments of `function`.
    settings: numbers for its further arguments: constants, in ONNX initialisers of their names.
    dimensions: names of the dimensions of unknown size, by tensor: `{"images": {0: "batch"}}`.
    check: of the inputs, for a SavedModel, where a wrong one can be refused.
    onnx: whether it may become ONNX.
    """

    function: Callable
    inputs: tuple
    settings: dict
    dimensions: dict
    check: Callable | None = None
    onnx: bool = True


def table(classifier):
    """The endpoints of a classifier by the names of their signatures."""
    is_metric = isinstance(classifier.learner, MetricLearner)
    way = None if is_metric else len(classifier.class_names)
    functions, check = Functions(classifier, way), label_check(way)
    settings = classifier.settings
    images, queries, support_images = (
        tf.TensorSpec([None, *classifier.image_shape], tf.float32, name=name)
        for name in ("images", "queries", "support_images")
    )
    support = (support_images, tf.TensorSpec([None], tf.int64, name="support_labels"))
    items = _first("items", "support_images", "support_labels")
    served = _first("batch", "images", "image_bytes", "probabilities", "label", "score")
    sides = dict(enumerate(("batch", "height", "width", "channels")))
    answers = {
        **_first("queries", "queries", "index", "score"),
        "probabilities": {0: "queries", 1: "way"},
    }
    found = {"serving_default": Endpoint(functions.serving_default, (images,), settings, served)}
    if encoded.decodable(classifier.image_shape):
        data = tf.TensorSpec([None], tf.string, name="image_bytes")
        found["serving_bytes"] = Endpoint(
            functions.serving_bytes, (data,), settings, served, onnx=False
        )
        raw = tf.TensorSpec([None, None, None, None], tf.uint8, name="raw_images")
        found["serving_raw"] = Endpoint(
            functions.serving_raw, (raw,), settings, {**served, "raw_images": sides}
        )
    if is_metric:
        state = state_specs(classifier)
        rows = _first("items" if portable.rows(state) == "items" else "way", *state)
        found["embed"] = Endpoint(
            functions.embed, (images,), {}, _first("batch", "images", "embeddings")
        )
        found["adapt"] = Endpoint(functions.adapt, support, {}, {**items, **rows}, check)
        found["classify"] = Endpoint(
            functions.classify, (queries, *state.values()), settings, {**answers, **rows}
        )
    found["episode"] = Endpoint(
        functions.episode, (*support, queries), settings, {**answers, **items}, check
    )
    return found


def _first(dimension, *tensors):
    """The first dimension of each tensor by its name."""
    return {name: {0: dimension} for name in tensors}


def state_specs(classifier):
    """`tf.TensorSpec`s of a metric learner's portable state by name, in the order of `classify`."""
    return {
        name: tf.TensorSpec([None, *tensor.shape[1:]], portable.dtype(name), name=name)
        for name, tensor in portable.from_state(classifier.state).items()
    }


def reference(classifier, images):
    """Keras' own probabilities `[n, way]` float32, on the CPU, where no device rounds coarsely."""
    with tf.device("/cpu:0"):
        probabilities = np.asarray(classifier(images, training=False), dtype="float32")
    if not np.isfinite(probabilities).all():
        raise ValueError(
            "Argument `classifier` must give finite probabilities on the sample. Received: a "
            "classifier that gives NaN or infinity; has its learner's training diverged?"
        )
    return probabilities
