"""Requests and responses of the Open Inference Protocol V2, with its binary tensor extension.

A body is JSON; where the header Inference-Header-Content-Length gives the length of the JSON, the
bytes of tensors follow it, in the order of the tensors that have a `binary_data_size`.
"""

import functools
import math
import re
from typing import Any

import msgspec
import numpy as np

from kmeta_server import lists
from kmeta_server.errors import RequestError, wrong

DTYPES = {"FP32": np.dtype("<f4"), "INT64": np.dtype("<i8"), "UINT8": np.dtype("u1")}
BINARY_HEADER = "Inference-Header-Content-Length"
_KINDS = {"FP32": float, "INT64": int, "UINT8": int}
_NESTED = re.compile(rb"\s*\[\s*\[")


class InputTensor(msgspec.Struct):
    """A tensor of a request; `data` is the JSON, or the bytes, of its numbers."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw()


class OutputTensor(msgspec.Struct):
    """An output that a client asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct):
    """The JSON of a request for inference."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[OutputTensor] | None = None


_REQUESTS = msgspec.json.Decoder(Request)


def parse(body, json_length=None):
    """The request in a body, and by name the bytes of its binary tensors.

    Args:
        body: bytes.
        json_length: the text of the header Inference-Header-Content-Length; None if absent.

    Raises:
        RequestError: if the body is no request.
    """
    length = len(body)
    if json_length is not None:
        is_number = json_length.isdecimal() and len(json_length) <= 20  # int() refuses thousands
        if not is_number or int(json_length) > length:
            expected = (
                f"The header {BINARY_HEADER} must be at most the length of the body, {length}"
            )
            raise wrong(expected, json_length[:20])
        length = int(json_length)
    try:
        request = _REQUESTS.decode(memoryview(body)[:length])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"The body is no request for inference: {error}") from error
    return request, _binary(request, memoryview(body)[length:])


def _binary(request, rest):
    """The bytes of each tensor that says how many it has."""
    found = {}
    for tensor in request.inputs:
        size = (tensor.parameters or {}).get("binary_data_size")
        if size is None:
            continue
        if type(size) is not int or not 0 <= size <= len(rest):
            expected = f"binary_data_size of input '{tensor.name}' must fit into the body"
            raise wrong(expected, f"{size!r}, with {len(rest)} bytes left")
        found[tensor.name], rest = rest[:size], rest[size:]
    if len(rest):
        raise RequestError(400, f"The body has {len(rest)} bytes that belong to no input")
    return found


def array(tensor, binary):
    """The numbers of a tensor, `tensor.shape`; its datatype is one of `DTYPES`.

    Args:
        tensor: `InputTensor`.
        binary: its bytes, or None where they are in its JSON, flat or nested.

    Raises:
        RequestError: if they are not of this shape and datatype.
    """
    if binary is None:
        return _from_json(tensor)
    dtype, count = DTYPES[tensor.datatype], math.prod(tensor.shape)
    if len(binary) != count * dtype.itemsize:
        expected = f"Input '{tensor.name}' must have {count * dtype.itemsize} bytes"
        raise wrong(expected, f"{len(binary)} bytes")
    return np.frombuffer(binary, dtype).reshape(tensor.shape)


def _from_json(tensor):
    if not bytes(memoryview(tensor.data)[:1]):
        raise wrong(f"Input '{tensor.name}' must have data", "none")
    nested = _NESTED.match(tensor.data) is not None
    kind, dtype = _KINDS[tensor.datatype], DTYPES[tensor.datatype]
    decoder = _decoder(kind, len(tensor.shape) if nested else 1)
    try:
        with np.errstate(over="ignore"):  # too large for float32 is infinite, which is refused
            if len(memoryview(tensor.data)) > lists.PART:
                return lists.decode(bytes(tensor.data), kind, dtype, tensor.shape, nested)
            found = np.asarray(decoder.decode(tensor.data), dtype)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, ValueError) as error:
        text = f"Input '{tensor.name}' must have data of {tensor.datatype}, flat or as its shape"
        raise RequestError(400, f"{text} {tensor.shape}: {error}") from error
    if found.shape != tuple(tensor.shape) if nested else found.size != math.prod(tensor.shape):
        expected = f"Input '{tensor.name}' must have data of its shape {tensor.shape}"
        raise wrong(expected, f"{list(found.shape)}")
    return found.reshape(tensor.shape)


@functools.cache
def _decoder(kind, depth):
    """A decoder of lists of lists of `kind`, `depth` deep."""
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def response(request, model, version, outputs, datatypes):
    """The body of an answer and its headers.

    Args:
        request: `Request`.
        model: its name.
        version: that answered.
        outputs: arrays by name, of which the request may want only some.
        datatypes: of the protocol, by the same names.

    Raises:
        RequestError: if the request wants an output that is not there, or if one is not finite.
    """
    check_finite(outputs)
    wanted = request.outputs or [OutputTensor(name) for name in outputs]
    unasked = (request.parameters or {}).get("binary_data_output", False)
    tensors, tail = [], []
    for output in wanted:
        if output.name not in outputs:
            raise wrong(f"Outputs of model '{model}' are {', '.join(outputs)}", output.name[:80])
        value = outputs[output.name]
        tensor = {
            "name": output.name,
            "datatype": datatypes[output.name],
            "shape": list(value.shape),
        }
        if (output.parameters or {}).get("binary_data", unasked) is True:
            tail.append(_bytes(value))
            tensor["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            tensor["data"] = value.ravel().tolist()
        tensors.append(tensor)
    answer = {"model_name": model, "model_version": version, "outputs": tensors}
    if request.id is not None:
        answer["id"] = request.id
    head = msgspec.json.encode(answer)
    if not tail:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", BINARY_HEADER: str(len(head))}
    return b"".join([head, *tail]), headers


def check_finite(outputs):
    """Raise RequestError if an array, of those by name, holds NaN or infinity."""
    infinite = [
        name
        for name, value in outputs.items()
        if value.dtype.kind == "f" and not np.isfinite(value).all()
    ]
    if infinite:
        raise wrong("Inputs must give finite outputs", f"NaN or infinity in {', '.join(infinite)}")


def _bytes(value):
    """The bytes of an array; a text is preceded by its length, in four bytes."""
    if value.dtype.kind not in "OU":
        return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [text.encode() for text in value.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
