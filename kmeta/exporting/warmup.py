"""Requests that TensorFlow Serving runs before it lets a new version answer.

`assets.extra/tf_serving_warmup_requests` is a TFRecord of `tensorflow.serving.PredictionLog`. Its
messages are written field by field here, so that exporting does not need the package
tensorflow-serving-api; a test reads them by it.
"""

import pathlib

import numpy as np
import tensorflow as tf

from kmeta.edge.state import few
from kmeta.edge.wire import field

_NAME, _SIGNATURE = 1, 3  # fields of ModelSpec
_SPEC, _INPUTS = 1, 2  # of PredictRequest
_REQUEST = 1  # of PredictLog
_PREDICT_LOG = 6  # of PredictionLog


def save(functions, support_labels, state, path):
    """Write one request for each signature into a SavedModel.

    All pixels are the same, which takes no room.

    Args:
        functions: traced endpoints by name.
        support_labels: int64, one for each support image.
        state: arrays by name that `classify` takes.
        path: of the SavedModel.
    """
    folder = pathlib.Path(path) / "assets.extra"
    folder.mkdir()
    dot = tf.io.encode_png(np.zeros((1, 1, 1), "uint8")).numpy()
    known = {
        "support_labels": tf.make_tensor_proto(support_labels),
        "image_bytes": tf.make_tensor_proto(np.array([dot], dtype=object), tf.string),
        **{name: _even(rows.shape, rows.dtype, 0) for name, rows in few(state).items()},
    }
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for name, function in functions.items():
            specs = function.structured_input_signature[0]
            rows = {"support_images": len(support_labels)}
            inputs = {
                spec.name: known.get(spec.name) or _pixels(spec, rows.get(spec.name, 1))
                for spec in specs
            }
            writer.write(_prediction_log(name, inputs))


def _pixels(spec, count):
    """A tensor of images of one colour."""
    shape = [8 if size is None else size for size in spec.shape]
    shape = [count, *shape[1:-1], 1 if spec.shape[-1] is None else spec.shape[-1]]
    return _even(shape, spec.dtype, 0 if spec.dtype == tf.uint8 else 0.5)


def _even(shape, dtype, value):
    """A tensor of one number only, stored once."""
    return tf.make_tensor_proto(value, dtype, list(shape))


def _prediction_log(signature, inputs):
    spec = field(_NAME, b"kmeta") + field(_SIGNATURE, signature.encode())
    request = field(_SPEC, spec)
    for name, value in inputs.items():
        tensor = value.SerializeToString()
        request += field(_INPUTS, field(1, name.encode()) + field(2, tensor))
    return field(_PREDICT_LOG, field(_REQUEST, request))
