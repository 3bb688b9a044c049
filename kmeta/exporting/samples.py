"""Inputs and outputs of every endpoint, by which a bundle can be checked wherever it is."""

import numpy as np
import tensorflow as tf

from kmeta.exporting import portable

_FEW = 8  # images at most for the endpoints beside `serving_default`


def make(classifier, functions, images, probabilities):
    """The arrays of `sample.npz`.

    Args:
        classifier: `kmeta.Classifier`.
        functions: traced endpoints by name.
        images: `[n, ...]`, two or more.
        probabilities: Keras' own for them, `[n, way]`.

    Returns:
        Dict of arrays: `images` and `probabilities`, and for the other endpoints inputs and outputs
        as `endpoint/name`. Only outputs that are floats: their rounding can be bounded, a label
        between two equal classes cannot.
    """
    sample = {"images": images, "probabilities": probabilities}
    inputs = _inputs(classifier, functions, images)
    for name, function in functions.items():
        if name == "serving_default":
            continue
        specs = function.structured_input_signature[0]
        known = inputs | state(classifier) if name == "classify" else inputs
        given = {spec.name: known[spec.name] for spec in specs}
        with tf.device("/cpu:0"):
            outputs = function(*(tf.constant(given[s.name], s.dtype) for s in specs))
        given.update({n: x.numpy() for n, x in outputs.items() if x.dtype.is_floating})
        sample.update({f"{name}/{n}": value for n, value in given.items()})
    return sample


def _inputs(classifier, functions, images):
    way = len(classifier.class_names)
    if "adapt" in functions:  # for any number of classes: as many as there are images
        way = min(way, len(images))
    items = np.arange(max(way, min(len(images), _FEW)))
    few = images[:_FEW]
    inputs = {
        "images": few,
        "queries": few,
        "support_images": images[items % len(images)],
        "support_labels": items % way,
    }
    pixels = np.round(few * 255).astype("uint8")
    if "serving_raw" in functions:
        inputs["raw_images"] = pixels.repeat(2, axis=1)  # to be resized
    if "serving_bytes" in functions:
        inputs["image_bytes"] = np.array([tf.io.encode_png(x).numpy() for x in pixels])
    return inputs


def state(classifier):
    """The portable state of a metric learner as arrays, those of `state.npz`."""
    return {
        name: np.asarray(tensor, portable.dtype(name).as_numpy_dtype)
        for name, tensor in portable.from_state(classifier.state).items()
    }
