"""Long lists of numbers in JSON, decoded in parts: a number in a Python list takes 32 bytes."""

import re

import msgspec
import numpy as np

PART = 1 << 20  # bytes of JSON that are decoded at once
_COMMA = re.compile(b",")
_OF_NUMBERS = b"0123456789+-.eE \t\r\n"


def decode(data, kind, dtype, shape, nested):
    """The array of a valid piece of JSON, flat, or nested as its shape.

    Args:
        data: bytes of valid JSON.
        kind: `float` or `int`, what JSON's numbers must be.
        dtype: of the array.
        shape: of the array.
        nested: whether lists are nested as the shape says.

    Raises:
        ValueError: if the JSON is no list of such numbers, or has others than the shape says.
        OverflowError: if a number is too large for the dtype.
        msgspec.DecodeError: as `ValueError`.
    """
    count = int(np.prod(shape, dtype=object))
    commas = data.count(b",")
    if commas + 1 != count:
        raise ValueError(f"expected {count} numbers, received {commas + 1}")
    if nested:
        if data.translate(None, _OF_NUMBERS) != _skeleton(shape):
            raise ValueError("lists are not nested as the shape says")
        data = data.translate(None, b"[] \t\r\n")
    else:
        data = data.strip(b" \t\r\n")[1:-1]
    return _numbers(data, msgspec.json.Decoder(list[kind]), np.empty(count, dtype)).reshape(shape)


def _numbers(text, decoder, out):
    """Fill `out` with the numbers of a text, separated by commas."""
    begin = filled = 0
    while filled < len(out):
        comma = _COMMA.search(text, begin + PART)
        end = comma.start() if comma else len(text)
        values = decoder.decode(b"[" + text[begin:end] + b"]")
        if not values or filled + len(values) > len(out):
            raise ValueError("there is a list without numbers")
        out[filled : filled + len(values)] = np.asarray(values, out.dtype)
        begin, filled = end + 1, filled + len(values)
    return out


def _skeleton(shape):
    """Brackets and commas of nested lists."""
    text = b""
    for size in reversed(shape):
        text = b"[" + b",".join([text] * size) + b"]"
    return text
