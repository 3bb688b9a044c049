"""Conversion of an endpoint to ONNX."""

import contextlib
import os

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from tf2onnx.graph import Graph

from kmeta.exporting.logs import silent

OPSET = 15  # any from 13 to 18 converts; 15 runs on runtimes from 2021 on


def save(endpoint, path, metadata):
    """Convert an endpoint, check the outcome and write it to `path`.

    Args:
        endpoint: `Endpoint`; inputs, outputs and free dimensions keep their names, and settings
            become initialisers of their names, which `SessionOptions.add_initializer` of
            onnxruntime can replace.
        path: of the file.
        metadata: dict of texts for the file's `metadata_props`.

    Raises:
        ValueError: if the endpoint has operations that ONNX lacks, or the graph is not valid.
    """
    model = convert(endpoint)
    _check(model)
    for tensor in (*model.graph.input, *model.graph.output):
        dimensions = tensor.type.tensor_type.shape.dim
        for index, name in endpoint.dimensions.get(tensor.name, {}).items():
            dimensions[index].dim_param = name
    inputs = [given for given in model.graph.input if given.name not in endpoint.settings]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for name, value in endpoint.settings.items():
        value = np.float32(value)
        if value == 1:  # onnxruntime drops divisions by 1, which could then not be replaced
            value = np.nextafter(value, np.float32(2))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), name))
    model.graph.name = "classifier"
    model.producer_name = "kmeta"
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def convert(endpoint):
    """The endpoint as an ONNX model, as tf2onnx left it.

    tf2onnx copies the whole graph before each of its optimisations, lest one fails: a third of the
    time of an export. It does so here only after one has failed.
    """
    try:
        with _without_copies():
            return _converted(endpoint)
    except Exception:  # whatever an optimisation raises; what cannot be converted raises again
        return _converted(endpoint)


@contextlib.contextmanager
def _without_copies():
    chosen = "TF2ONNX_CATCH_ERRORS" in os.environ  # by whoever started the process
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")
    try:
        yield
    finally:
        if not chosen:
            del os.environ["TF2ONNX_CATCH_ERRORS"]


def _converted(endpoint):
    count = len(endpoint.inputs)
    settings = [tf.TensorSpec([], tf.float32, name=name) for name in endpoint.settings]

    def function(*inputs):
        return endpoint.function(
            *inputs[:count], **dict(zip(endpoint.settings, inputs[count:], strict=True))
        )

    traced = tf.function(function, autograph=False)
    signature = (*endpoint.inputs, *settings)
    with silent("tf2onnx"), _inlined(), _written_once():
        graph = traced.get_concrete_function(*signature).graph  # the one that is converted
        model, _ = tf2onnx.convert.from_function(
            traced,
            input_signature=signature,
            opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    _hold_constants(model.graph, graph.captures)
    return model


@contextlib.contextmanager
def _written_once():
    """Let tf2onnx write a graph as a message when it is done, and not after each optimisation too.

    Messages keep what was written before: some forty copies of all weights.
    """
    write = Graph.update_proto
    Graph.update_proto = lambda *_: None
    make = Graph.make_graph

    def make_graph(graph, *args, **kwargs):
        Graph.update_proto = write
        return make(graph, *args, **kwargs)

    Graph.make_graph = make_graph
    try:
        yield
    finally:
        Graph.update_proto, Graph.make_graph = write, make


@contextlib.contextmanager
def _inlined():
    """Let functions that are traced inside consist of operations, and call no other functions.

    Keras compiles convolutions of grouped channels by XLA, as a function, which ONNX has not.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _hold_constants(graph, captures):
    """Tensors that a network holds beside its weights, of which tf2onnx makes inputs."""
    held = {inner.name: outer for outer, inner in captures if outer.dtype != tf.resource}
    inputs = [given for given in graph.input if given.name not in held]
    for given in graph.input:
        if given.name in held:
            value = np.asarray(held[given.name])
            graph.initializer.append(onnx.numpy_helper.from_array(value, given.name))
    del graph.input[:]
    graph.input.extend(inputs)


def _erfc(graph, node, name, args):
    """`erfc(x) = 1 - erf(x)`, of which Keras makes the exact GELU; tf2onnx has no rule for it."""
    del args
    (x,), (output,) = node.input, node.output
    dtype, shape = graph.get_dtype(output), graph.get_shape(output)
    graph.remove_node(name)
    one = graph.make_const(f"{name}/one", np.ones((), onnx.helper.tensor_dtype_to_np_dtype(dtype)))
    erf = graph.make_node("Erf", [x], dtypes=[dtype], shapes=[shape])
    graph.make_node(
        "Sub", [one.output[0], erf.output[0]], outputs=[output], dtypes=[dtype], shapes=[shape]
    )


def _check(model):
    """tf2onnx leaves in the graph what it cannot convert and returns as if all were well."""
    lacking = {
        node.op_type
        for node in nodes(model.graph)
        if not onnx.defs.has(node.op_type, max_inclusive_version=OPSET, domain=node.domain)
    }
    if lacking:
        raise ValueError(
            "Argument `classifier` must be made of operations that ONNX has. Received: a "
            f"classifier that uses {', '.join(sorted(lacking))}"
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ValueError(
            "Argument `classifier` must convert to a valid ONNX graph. Received: a classifier "
            f"for which the checker of ONNX says: {error}"
        ) from error


def nodes(graph):
    """The nodes of a graph and of those inside its loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)
