"""An ONNX file in 8-bit integers, by onnxruntime's static quantisation.

Convolutions and dense layers take and give integers; pooling, distances and answers stay float.
"""

import graphlib
import pathlib
import tempfile

import numpy as np
import onnx

from kmeta.edge.runtime import onnxruntime
from kmeta.exporting.onnx_model import nodes

onnxruntime()  # without its telemetry, before what follows loads it
from onnxruntime.quantization import (  # noqa: E402
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: E402

# Initialisers that users may replace, never folded away.
SETTINGS = ("temperature", "threshold", "slope", "offset")
_LEAST = 1024  # numbers in a kernel of a dense layer; below, nothing is gained


def quantize(source, path, batches, reduce_range):
    """Write an ONNX file whose layers compute in 8 bits.

    Batch normalisation becomes part of the convolution before it. Every output channel has its own
    scale. Activations get the range from their smallest to their largest value in `batches`.

    Args:
        source: a file that `onnx_model.save` wrote.
        path: of the file to write; names, shapes and metadata are those of `source`.
        batches: list of inputs by name, at least one.
        reduce_range: weights in 7 bits. Where the processor has no VNNI, it adds two products of
            bytes in 16 bits, which is too little for 8.

    Raises:
        ValueError: if the network has no convolution and no dense layer.
    """
    original = onnx.load(source)
    settings = {x.name: x for x in original.graph.initializer if x.name in SETTINGS}
    given = {name: onnx.numpy_helper.to_array(value) for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as folder:
        opened, folded, made = (str(pathlib.Path(folder, x)) for x in ("opened", "folded", "made"))
        onnx.save(_with_inputs(original, settings), opened)
        quant_pre_process(opened, folded, skip_symbolic_shape=True)
        float_model = onnx.load(folded)
        _share_constants(float_model.graph)
        layers = _layers(float_model.graph)
        if not layers:
            raise ValueError(
                "Argument `quantize` needs a network with convolutions or dense layers. "
                "Received: a network without"
            )
        onnx.save(float_model, folded)
        quantize_static(
            folded,
            made,
            _Reader([{**batch, **given} for batch in batches]),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=[*layers, *_activations(float_model.graph, layers)],
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        model = onnx.load(made)
    _like(original, model, settings)
    _sort(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def has_layers(source):
    """Whether an ONNX file has anything that can be quantised."""
    return bool(_layers(onnx.load(source).graph))


def _with_inputs(model, settings):
    """A copy in which settings are inputs, so that their values become part of nothing."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    kept = [x for x in opened.graph.initializer if x.name not in settings]
    del opened.graph.initializer[:]
    opened.graph.initializer.extend(kept)
    for name, value in settings.items():
        opened.graph.input.append(
            onnx.helper.make_tensor_value_info(name, value.data_type, value.dims)
        )
    return opened


def _share_constants(graph):
    """Let equal constants be one again: folding made a kernel anew for each use of it."""
    first, names = {}, {}
    for tensor in graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        names[tensor.name] = first.setdefault(
            (value.dtype.str, value.shape, value.tobytes()), tensor.name
        )
    for node in nodes(graph):
        node.input[:] = [names.get(name, name) for name in node.input]
    kept = [tensor for tensor in graph.initializer if names[tensor.name] == tensor.name]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _like(original, model, settings):
    """Give a quantised model what was `original`'s: settings, metadata, names, operator sets."""
    inputs = [x for x in model.graph.input if x.name not in settings]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.initializer.extend(settings.values())
    for field in ("metadata_props", "opset_import"):
        model.ClearField(field)
        getattr(model, field).extend(getattr(original, field))
    model.graph.name = original.graph.name
    model.producer_name = original.producer_name


def _sort(graph):
    """Put nodes after those they need; onnxruntime forgets what the body of a loop needs."""
    makers = {output: place for place, node in enumerate(graph.node) for output in node.output}
    needs = {
        place: {makers[x] for x in _read(node) if x in makers}
        for place, node in enumerate(graph.node)
    }
    ordered = [graph.node[place] for place in graphlib.TopologicalSorter(needs).static_order()]
    del graph.node[:]
    graph.node.extend(ordered)


def _read(node):
    """Names of all tensors that a node, or a node inside it, reads."""
    return {x for inner in nodes(onnx.GraphProto(node=[node])) for x in inner.input}


def _layers(graph):
    """Names of the nodes that are layers: convolutions, and products with a constant kernel.

    A kernel is a matrix. The state of a classifier is none: it has an axis for the task.
    """
    sizes = {x.name: (len(x.dims), np.prod(x.dims)) for x in graph.initializer}
    found = []
    for node in graph.node:
        rank, size = sizes.get(node.input[1], (0, 0)) if len(node.input) > 1 else (0, 0)
        dense = node.op_type in ("MatMul", "Gemm") and rank == 2 and size >= _LEAST
        if dense or (node.op_type == "Conv" and rank > 2):
            found.append(node.name)
    return found


def _activations(graph, layers):
    """Names of the nodes that cut off what layers give, ReLU and ReLU6.

    With them onnxruntime gives what is left the whole range of the integers; else most of it would
    be for numbers that are cut off.
    """
    given = {x for node in graph.node if node.name in layers for x in node.output}
    return [x.name for x in graph.node if x.op_type in ("Clip", "Relu") and x.input[0] in given]


class _Reader(CalibrationDataReader):
    def __init__(self, batches):
        self._left = iter(batches)

    def get_next(self):
        return next(self._left, None)
