"""What a SavedModel would do beside computing, read from its file without TensorFlow.

A SavedModel is a program: TensorFlow runs whatever operations it has when it is loaded and asked.
"""

import re

_REACHES_OUT = re.compile(
    "File|Reader|Dataset|Iterator|Summary|Checkpoint|Snapshot|LMDB|Proto|Print|Dump|ImportEvent"
    "|^_?Save|^_?Restore|^_?Load|PyFunc|Generator|Debug|Rpc|Remote|Worker|Collective|Nccl|TPU|TRT|HostCompute"
    "|DistributedSave|DTensor|Xla(Launch|Send|Recv|CustomCall)|^_?(Send|Recv)"
)
_OF_THE_SAVER = ("SaveV2", "RestoreV2", "ShardedFilename", "MergeV2Checkpoints")
_SAVER = re.compile(r"^__inference__traced_(save|restore)_\d+$")
_SAVER_NAME = re.compile(rb"__inference__traced_(?:save|restore)_")


def check(data, where):
    """Raise ValueError if a SavedModel reaches beyond its own folder.

    Its saver may read and write the file that the loader names, and nobody else may call it.

    Args:
        data: bytes of `saved_model.pb`.
        where: name of the bundle, for the message.
    """
    try:
        faults = [fault for graph in _all(data, 2) for fault in _faults(graph)]
    except (IndexError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"The bundle '{where}' is damaged: saved_model.pb is none") from error
    if faults:
        raise ValueError(
            f"The SavedModel of the bundle '{where}' can reach beyond its folder: {faults[0]}"
        )


def _faults(meta_graph):
    """What is wrong with a MetaGraphDef, in words."""
    saver = [_text(value) for part in _all(meta_graph, 3) for n, value in _fields(part) if n < 4]
    saver = {name.partition(":")[0] for name in saver}
    for asset in _all(meta_graph, 6):
        name = _first(asset, 2)
        if {"", ".", ".."} & set(re.split(r"[/\\]", name)) or ":" in name:
            yield f"its asset is '{name}'"
    for graph in _all(meta_graph, 2):
        for node in _all(graph, 1):
            yield from _faults_of(node, ())
            if _SAVER_NAME.search(node) and _first(node, 1) not in saver:
                yield f"{_first(node, 1)} calls its saver"
        for library in _all(graph, 2):
            for function in _all(library, 1):
                yield from _faults_of_function(function)


def _faults_of_function(function):
    signature = next(_all(function, 1), b"")
    name = _first(signature, 1)
    is_saver = _SAVER.match(name) is not None
    given = {_first(argument, 1) for argument in _all(signature, 2)}
    for node in _all(function, 3):
        yield from _faults_of(node, _OF_THE_SAVER if is_saver else ())
        if _SAVER_NAME.search(node):
            yield f"{name} calls its saver"
        if _first(node, 2) == "RestoreV2" and _first(node, 3) not in given:
            yield f"{name} restores from a file of its own"


def _faults_of(node, allowed):
    operation = _first(node, 2)
    if operation not in allowed and _REACHES_OUT.search(operation):
        yield f"it has the operation {operation}"


def _first(message, number):
    """The text of a field, empty where it is absent."""
    return _text(next(_all(message, number), b""))


def _text(value):
    return value.decode() if isinstance(value, bytes) else ""


def _all(message, number):
    """The byte strings of one field of a message."""
    return (value for n, value in _fields(message) if n == number and isinstance(value, bytes))


def _fields(message):
    """Number and value of each field of a message in protobuf's wire format; numbers as None."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        size, value = {1: 8, 5: 4}.get(key & 7), None
        if key & 7 == 2:
            size, at = _varint(message, at)
            value = message[at : at + size]
        elif key & 7 == 0:
            size, at = 0, _varint(message, at)[1]
        if size is None or at + size > len(message):
            raise IndexError("no field of protobuf")
        yield key >> 3, value
        at += size


def _varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError("no number of protobuf")
