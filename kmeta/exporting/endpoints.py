"""What a bundle offers: one table of functions for the SavedModel, one of graphs for ONNX.

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

In ONNX each network stands once. The readers of bundles, `kmeta.edge.models`, put these together:

| file | inputs | outputs |
|---|---|---|
| `classifier.onnx` | `images` | `probabilities`, `label`, `score`; metric: `embeddings` |
| `support.onnx` | `images` | `embeddings`, where support images have a network of their own |
| `views.onnx` | `images` | `views`, where support images are looked at in several ways |
| `adapt.onnx` | `support_embeddings`, `support_labels` | the state |
| `classify.onnx` | `embeddings` and the state | `probabilities`, `index`, `score` |
| `resize.onnx` | `raw_images` | `images` |
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kmeta.exporting import encoded, portable
from kmeta.exporting.functions import Functions, label_check, pixel_check

_SIDES = dict(enumerate(("batch", "height", "width", "channels")))


class Endpoint(NamedTuple):
    """A function of named tensors that returns a dict of named tensors.

    inputs: `tf.TensorSpec`s, named as the first arguments of `function`.
    settings: numbers for its further arguments: constants, in ONNX initialisers of their names.
    dimensions: names of the dimensions of unknown size, by tensor: `{"images": {0: "batch"}}`.
    checks: of the inputs by name, for a SavedModel, where wrong ones can be refused.
    """

    function: Callable
    inputs: tuple
    settings: dict
    dimensions: dict
    checks: tuple = ()


def table(classifier):
    """The endpoints of a classifier by the names of their signatures, for a SavedModel."""
    functions, settings = Functions(classifier), classifier.settings
    images, queries, support_images = (
        _images(classifier, name) for name in ("images", "queries", "support_images")
    )
    support = (support_images, tf.TensorSpec([None], tf.int64, name="support_labels"))
    items = _first("items", "support_images", "support_labels")
    served = _first("batch", "images", "image_bytes", "probabilities", "label", "score")
    pixels = {name: pixel_check(name) for name in ("images", "queries", "support_images")}
    labels = label_check(functions.way), pixels["support_images"]
    found = {
        "serving_default": Endpoint(
            functions.serving_default, (images,), settings, served, (pixels["images"],)
        )
    }
    if encoded.decodable(classifier.image_shape):
        data = tf.TensorSpec([None], tf.string, name="image_bytes")
        found["serving_bytes"] = Endpoint(functions.serving_bytes, (data,), settings, served)
        found["serving_raw"] = Endpoint(
            functions.serving_raw, (_raw(),), settings, {**served, "raw_images": _SIDES}
        )
    if functions.can_grow:
        state, rows = state_specs(functions)
        found["embed"] = Endpoint(
            functions.embed,
            (images,),
            {},
            _first("batch", "images", "embeddings"),
            (pixels["images"],),
        )
        found["adapt"] = Endpoint(functions.adapt, support, {}, {**items, **rows}, labels)
        found["classify"] = Endpoint(
            functions.classify,
            (queries, *state.values()),
            settings,
            {**_answers("queries"), **rows},
            (pixels["queries"],),
        )
    found["episode"] = Endpoint(
        functions.episode,
        (*support, queries),
        settings,
        {**_answers("queries"), **items},
        (*labels, pixels["queries"]),
    )
    return found


def graphs(classifier):
    """The graphs of a classifier by the names of their ONNX files."""
    functions, settings = Functions(classifier), classifier.settings
    images = _images(classifier, "images")
    served = _first("batch", "images", "probabilities", "label", "score", "embeddings")
    grows = functions.can_grow
    answers = functions.classifier_and_embeddings if grows else functions.serving_default
    found = {"classifier": Endpoint(answers, (images,), settings, served)}
    if encoded.decodable(classifier.image_shape):
        found["resize"] = Endpoint(
            functions.resize, (_raw(),), {}, {"raw_images": _SIDES, "images": {0: "batch"}}
        )
    if functions.can_grow:
        state, rows = state_specs(functions)
        learner = functions.learner
        embeddings = tf.TensorSpec([None, *learner.feature_shape], tf.float32, name="embeddings")
        support_embeddings = tf.TensorSpec(
            [None, *learner.support_shape], tf.float32, name="support_embeddings"
        )
        labels = tf.TensorSpec([None], tf.int64, name="support_labels")
        if learner.support_embedding is not None:
            found["support"] = Endpoint(functions.embed_support, (images,), {}, served)
        if learner.views > 1:
            found["views"] = Endpoint(functions.views, (images,), {}, _first("items", "views"))
        found["adapt"] = Endpoint(
            functions.adapt_embedded,
            (support_embeddings, labels),
            {},
            {**_first("items", "support_embeddings", "support_labels"), **rows},
        )
        found["classify"] = Endpoint(
            functions.classify_embedded,
            (embeddings, *state.values()),
            settings,
            {**_answers("embeddings"), **rows},
        )
    return found


def _images(classifier, name):
    return tf.TensorSpec([None, *classifier.image_shape], tf.float32, name=name)


def _raw():
    return tf.TensorSpec([None, None, None, None], tf.uint8, name="raw_images")


def _first(dimension, *tensors):
    """The first dimension of each tensor by its name."""
    return {name: {0: dimension} for name in tensors}


def _answers(queries):
    """Dimensions of queries, called so, and of the answers to them."""
    return {
        **_first("queries", queries, "index", "score"),
        "probabilities": {0: "queries", 1: "way"},
    }


def state_specs(functions):
    """`tf.TensorSpec`s of a portable state by name, in the order of `classify`, and dimensions."""
    state = functions.state()
    specs = {
        name: tf.TensorSpec([None, *tensor.shape[1:]], portable.dtype(name), name=name)
        for name, tensor in state.items()
    }
    return specs, _first("items" if portable.rows(state) == "items" else "way", *state)


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
