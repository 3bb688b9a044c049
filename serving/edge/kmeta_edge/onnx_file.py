"""ONNX files as bytes: whether they read other files, and the embedding alone of a classifier.

An ONNX file is a message of protocol buffers: fields, each a number, a kind and a content. The
numbers are those of onnx.proto3.
"""

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
_KEY = 1  # of an entry of the metadata
_DEEPEST = 64
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def check(content):
    """Raise ValueError unless all that a model reads is in its file."""
    _check(memoryview(content), "model", _DEEPEST)


def _check(message, kind, depth):
    if depth == 0:
        raise ValueError("graphs within graphs, too deep")
    for number, value, _ in _fields(message):
        if kind == "tensor" and (
            number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
        ):
            raise ValueError("it reads its numbers from another file")
        inner = _WITHIN.get(kind, {}).get(number)
        if inner and isinstance(value, memoryview):
            _check(value, inner, depth - 1)


def only(content, outputs, without):
    """A model that gives some of its outputs only, as bytes.

    Args:
        content: of the file.
        outputs: names.
        without: key of the metadata that is left out.
    """
    parts = []
    for number, value, whole in _fields(memoryview(content)):
        if number == _GRAPH:
            graph = b"".join(
                bytes(part)
                for inner, field, part in _fields(value)
                if inner != _OUTPUT or _text(field, _NAME) in outputs
            )
            parts.append(varint(_GRAPH << 3 | _BYTES) + varint(len(graph)) + graph)
        elif number != _METADATA or _text(value, _KEY) != without:
            parts.append(bytes(whole))
    return b"".join(parts)


def _text(message, number):
    found = [bytes(value) for field, value, _ in _fields(message) if field == number]
    return found[0].decode("utf-8", "replace") if found else ""


def _fields(message):
    """`(number, value, all its bytes)` of each field; a value is an integer or a memoryview."""
    place, end = 0, len(message)
    while place < end:
        begin = place
        tag, place = _read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _read_varint(message, place)
        elif kind in (_EIGHT, _FOUR, _BYTES):
            size = 8 if kind == _EIGHT else 4
            if kind == _BYTES:
                size, place = _read_varint(message, place)
            value, place = message[place : place + size], place + size
        else:
            raise ValueError("it is no ONNX file")
        if place > end:
            raise ValueError("it is cut short")
        yield number, value, message[begin:place]


def _read_varint(message, place):
    value = shift = 0
    while shift < 70:
        if place >= len(message):
            raise ValueError("it is cut short")
        byte = message[place]
        value, place, shift = value | (byte & 127) << shift, place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("it is no ONNX file")


def varint(value):
    """A whole number of 0 or more as protocol buffers write it."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])
