"""Requests that TensorFlow Serving runs before it lets a new version answer.

`assets.extra/tf_serving_warmup_requests` is a TFRecord of `tensorflow.serving.PredictionLog`. Its
messages are written field by field here, so that exporting does not need the package
tensorflow-serving-api; a test reads them by it.
"""

import pathlib

import tensorflow as tf

_ROWS = 32  # at most, for what is batched: the server refuses more than a batch holds
_NAME, _SIGNATURE = 1, 3  # fields of ModelSpec
_SPEC, _INPUTS = 1, 2  # of PredictRequest
_REQUEST = 1  # of PredictLog
_PREDICT_LOG = 6  # of PredictionLog


def save(functions, sample, path):
    """Write one request for each signature into a SavedModel.

    Args:
        functions: traced endpoints by name.
        sample: the arrays of `sample.npz`.
        path: of the SavedModel.
    """
    folder = pathlib.Path(path) / "assets.extra"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for name, function in functions.items():
            prefix = "" if name == "serving_default" else f"{name}/"
            specs = function.structured_input_signature[0]
            inputs = {spec.name: sample[prefix + spec.name] for spec in specs}
            if name == "serving_default":
                inputs = {key: value[:_ROWS] for key, value in inputs.items()}
            writer.write(_prediction_log(name, inputs))


def _prediction_log(signature, inputs):
    spec = _field(_NAME, b"kmeta") + _field(_SIGNATURE, signature.encode())
    request = _field(_SPEC, spec)
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(_INPUTS, _field(1, name.encode()) + _field(2, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number, content):
    """A length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
