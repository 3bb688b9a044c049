"""The table of endpoints as one SavedModel."""

import json
import pathlib
import tempfile

import tensorflow as tf

from kmeta.exporting.logs import silent


def trace(endpoints):
    """The endpoints as concrete functions, by name, with their settings as constants."""
    return {
        name: tf.function(_fixed(endpoint), autograph=False).get_concrete_function(*endpoint.inputs)
        for name, endpoint in endpoints.items()
    }


def save(functions, path, class_names):
    """Write traced endpoints as one SavedModel, with the variables they read and no others.

    The class names are beside it as `assets/class_names.json`.
    """
    read = [v for function in functions.values() for v in function.graph.variables]
    with tempfile.TemporaryDirectory() as folder:
        names = pathlib.Path(folder) / "class_names.json"
        names.write_text(json.dumps(class_names, ensure_ascii=False), encoding="utf-8")
        held = _Holder(read, tf.saved_model.Asset(str(names)))
        with silent("tensorflow"):
            tf.saved_model.save(held, path, signatures=functions)


def describe(function, dimensions):
    """Inputs and outputs of a traced endpoint for the manifest.

    dimensions: names of the sizes that may vary, see `kmeta.exporting.endpoints.Endpoint`.
    """

    def tensors(specs):
        return {
            name: {
                "dtype": spec.dtype.name,
                "shape": [
                    dimensions.get(name, {}).get(axis, "any") if size is None else size
                    for axis, size in enumerate(spec.shape)
                ],
            }
            for name, spec in specs.items()
        }

    inputs = {spec.name: spec for spec in function.structured_input_signature[0]}
    return {"inputs": tensors(inputs), "outputs": tensors(function.structured_outputs)}


def _fixed(endpoint):
    """The function of an endpoint's inputs alone, after its checks."""
    names = [spec.name for spec in endpoint.inputs]

    def function(*inputs):
        given = dict(zip(names, inputs, strict=True))
        checks = [operation for check in endpoint.checks for operation in check(given)]
        with tf.control_dependencies(checks):
            inputs = [tf.identity(x) for x in inputs] if checks else inputs
            return endpoint.function(*inputs, **endpoint.settings)

    return function


class _Holder(tf.Module):
    def __init__(self, held, class_names):
        super().__init__()
        self.held = held
        self.class_names = class_names
