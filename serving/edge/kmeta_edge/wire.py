"""Messages of protocol buffers, read and written without protobuf.

A message is a row of fields, each a number, a kind and a content.
"""

_VARINT, _EIGHT, BYTES, _FOUR = 0, 1, 2, 5  # kinds


def fields(message):
    """`(number, value, all its bytes)` of each field of a message, which is a memoryview.

    A value is an integer or a memoryview. Raises ValueError where it is no such message.
    """
    if not isinstance(message, memoryview):
        raise ValueError("a number stands where a message should be")
    place, end = 0, len(message)
    while place < end:
        begin = place
        tag, place = _read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _read_varint(message, place)
        elif kind in (_EIGHT, _FOUR, BYTES):
            size = 8 if kind == _EIGHT else 4
            if kind == BYTES:
                size, place = _read_varint(message, place)
            value, place = message[place : place + size], place + size
        else:
            raise ValueError("it is no message of protocol buffers")
        if place > end:
            raise ValueError("it is cut short")
        yield number, value, message[begin:place]


def parts(message, number):
    """The messages, or texts, of one field of a message: memoryviews."""
    found = (value for field, value, _ in fields(message) if field == number)
    return (value for value in found if isinstance(value, memoryview))


def part(message, number):
    """The message, or text, of a field: a memoryview, empty where there is none.

    Raises ValueError where there are several, of which readers of protocol buffers take one or
    another.
    """
    found = list(parts(message, number))
    if len(found) > 1:
        raise ValueError(f"its field {number} stands twice")
    return found[0] if found else memoryview(b"")


def text(message, number):
    """The text of a field, "" where there is none. Raises ValueError as `part`, or if no text."""
    return str(part(message, number), "utf-8")


def varint(value):
    """A whole number of 0 or more as protocol buffers write it."""
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number, content):
    """A field that holds bytes: a text, or a message."""
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def _read_varint(message, place):
    value = shift = 0
    while shift < 70:
        if place >= len(message):
            raise ValueError("it is cut short")
        byte = message[place]
        value, place, shift = value | (byte & 127) << shift, place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("it is no message of protocol buffers")
