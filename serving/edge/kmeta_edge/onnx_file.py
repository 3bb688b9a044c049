"""ONNX files as bytes: whether they read other files, and the embedding alone of a classifier.

An ONNX file is a message of protocol buffers; the numbers of its fields are those of onnx.proto3.
"""

from . import wire

_WITHIN = {  # of each message: by number, the messages in it where tensors may be
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_GRAPH, _METADATA = 7, 14  # of a model
_OUTPUT, _NAME = 12, 1  # of a graph, and of its outputs
_KEY, _VALUE = 1, 2  # of an entry of the metadata
_DEEPEST = 64


def check(content):
    """Raise ValueError unless all that a model reads is in its file."""
    _check(memoryview(content), "model", _DEEPEST)


def _check(message, kind, depth):
    if depth == 0:
        raise ValueError("graphs within graphs, too deep")
    for number, value, _ in wire.fields(message):
        if kind == "tensor" and (
            number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
        ):
            raise ValueError("it reads its numbers from another file")
        inner = _WITHIN.get(kind, {}).get(number)
        if inner and isinstance(value, memoryview):
            _check(value, inner, depth - 1)


def only(content, outputs, metadata):
    """A model that gives some of its outputs only, as bytes.

    Args:
        content: of the file.
        outputs: names.
        metadata: texts by key, in place of those that the file has under these keys.
    """
    parts = []
    for number, value, whole in wire.fields(memoryview(content)):
        if number == _GRAPH:
            graph = b"".join(
                bytes(part)
                for inner, field, part in wire.fields(value)
                if inner != _OUTPUT or wire.text(field, _NAME) in outputs
            )
            parts.append(wire.field(_GRAPH, graph))
        elif number != _METADATA or wire.text(value, _KEY) not in metadata:
            parts.append(bytes(whole))
    for key, text in metadata.items():
        entry = wire.field(_KEY, key.encode()) + wire.field(_VALUE, text.encode())
        parts.append(wire.field(_METADATA, entry))
    return b"".join(parts)
