"""What a bundle offers: one table of functions, written as signatures of a SavedModel."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Endpoint(NamedTuple):
    """A function of named tensors that returns a dict of named tensors.

    inputs: `tf.TensorSpec`s, named as the arguments of `function`.
    dimensions: names of the dimensions of unknown size, by tensor: `{"images": {0: "batch"}}`.
    """

    function: tf.types.experimental.PolymorphicFunction
    inputs: tuple
    dimensions: dict


def table(classifier):
    """The endpoints of a classifier by the names of their signatures."""

    def serving_default(images):
        probabilities = classifier(images, training=False)
        return {"probabilities": tf.cast(probabilities, tf.float32)}

    images = tf.TensorSpec([None, *classifier.image_shape], tf.float32, name="images")
    batch = {0: "batch"}
    return {
        "serving_default": Endpoint(
            tf.function(serving_default, autograph=False),
            (images,),
            {"images": batch, "probabilities": batch},
        )
    }


def save(endpoints, path):
    """Write endpoints as one SavedModel, with the variables they read and no others."""
    signatures = {
        name: endpoint.function.get_concrete_function(*endpoint.inputs)
        for name, endpoint in endpoints.items()
    }
    read = [v for signature in signatures.values() for v in signature.graph.variables]
    tf.saved_model.save(_Holder(read), path, signatures=signatures)


class _Holder(tf.Module):
    def __init__(self, held):
        super().__init__()
        self.held = held


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
