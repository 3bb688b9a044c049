"""Inputs and outputs of every endpoint, by which a bundle can be checked wherever it is."""

import numpy as np
import tensorflow as tf

from kmeta.edge import sample as samples
from kmeta.exporting import endpoints

_ITEMS = 8  # support images at most, where there are no more classes


def make(classifier, functions, pixels):
    """The arrays of `sample.npz`, see `kmeta.edge.sample`.

    Args:
        classifier: `kmeta.Classifier`.
        functions: traced endpoints by name.
        pixels: images `[n, ...]`, two or more, uint8, or float32 vectors.

    Returns:
        Dict of arrays. Of outputs only floats: their rounding can be bounded, a label between two
        equal classes cannot. `probabilities` are Keras' own.
    """
    stored = {"images": pixels, "support_labels": _labels(classifier, functions, len(pixels))}
    if "serving_bytes" in functions:
        stored["image_bytes"] = np.array([tf.io.encode_png(x).numpy() for x in pixels])
    given = samples.inputs(stored, state(classifier) if classifier.can_grow else {})
    for name, function in functions.items():
        if name == "serving_default":
            continue
        specs = function.structured_input_signature[0]
        with tf.device("/cpu:0"):
            outputs = function(*(tf.constant(given[s.name], s.dtype) for s in specs))
        stored |= {f"{name}/{n}": x.numpy() for n, x in outputs.items() if x.dtype.is_floating}
    stored["probabilities"] = endpoints.reference(classifier, given["images"])
    return stored


def _labels(classifier, functions, count):
    way = len(classifier.class_names)
    if "adapt" in functions:  # for any number of classes: as many as there are images
        way = min(way, count)
    return np.arange(max(way, min(count, _ITEMS))) % way


def state(classifier):
    """The portable state of a metric learner as arrays, those of `state.npz`."""
    tensors = endpoints.Functions(classifier).state()
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}
