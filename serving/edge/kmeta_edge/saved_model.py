"""What a SavedModel would do beside computing, read from its file without TensorFlow.

A SavedModel is a program: TensorFlow runs whatever operations it has when it is loaded and asked.
"""

import re

from . import wire

_REACHES_OUT = re.compile(
    "File|Reader|Dataset|Iterator|Summary|Checkpoint|Snapshot|LMDB|Proto|Print|Dump|ImportEvent"
    "|^_?Save|^_?Restore|^_?Load|PyFunc|Generator|Debug|Rpc|Remote|Worker|Collective|Nccl|TPU|TRT|HostCompute"
    "|DistributedSave|DTensor|Xla(Launch|Send|Recv|CustomCall|CallModule)|^_?(Host)?(Send|Recv)$"
    "|RecordInput|ImmutableConst|Vocab|Skipgram|FixedUnigram|StatisticsSaver"
)
_OF_THE_SAVER = ("SaveV2", "RestoreV2", "ShardedFilename", "MergeV2Checkpoints")
_SAVER = re.compile(r"^__inference__traced_(save|restore)_\d+$")
_OF_A_SAVER = (1, 2, 3)  # fields of its definition, which name tensors
_SAVER_NAME = re.compile(rb"__inference__traced_(?:save|restore)_")


def check(data, where):
    """Raise ValueError if a SavedModel reaches beyond its own folder.

    Its saver may read and write the file that the loader names, and nobody else may call it.

    Args:
        data: bytes of `saved_model.pb`.
        where: name of the bundle, for the message.
    """
    try:
        faults = [fault for graph in wire.parts(memoryview(data), 2) for fault in _faults(graph)]
    except ValueError as error:
        raise ValueError(f"The bundle '{where}' is damaged: saved_model.pb is none") from error
    if faults:
        raise ValueError(
            f"The SavedModel of the bundle '{where}' can reach beyond its folder: {faults[0]}"
        )


def _faults(meta_graph):
    """What is wrong with a MetaGraphDef, in words."""
    definitions = list(wire.parts(meta_graph, 3))
    tensors = [wire.text(part, number) for part in definitions for number in _OF_A_SAVER]
    saver = {name.partition(":")[0] for name in tensors}
    for asset in wire.parts(meta_graph, 6):
        name = wire.text(asset, 2)
        if {"", ".", ".."} & set(re.split(r"[/\\]", name)) or ":" in name:
            yield f"its asset is '{name}'"
    for graph in wire.parts(meta_graph, 2):
        for node in wire.parts(graph, 1):
            yield from _faults_of(node, ())
            if _SAVER_NAME.search(node) and wire.text(node, 1) not in saver:
                yield f"{wire.text(node, 1)} calls its saver"
        for library in wire.parts(graph, 2):
            for function in wire.parts(library, 1):
                yield from _faults_of_function(function)


def _faults_of_function(function):
    signature = wire.part(function, 1)
    name = wire.text(signature, 1)
    is_saver = _SAVER.match(name) is not None
    given = {wire.text(argument, 1) for argument in wire.parts(signature, 2)}
    for node in wire.parts(function, 3):
        yield from _faults_of(node, _OF_THE_SAVER if is_saver else ())
        if _SAVER_NAME.search(node):
            yield f"{name} calls its saver"
        file = str(next(wire.parts(node, 3), b""), "utf-8")  # its first input
        if wire.text(node, 2) == "RestoreV2" and file not in given:
            yield f"{name} restores from a file of its own"


def _faults_of(node, allowed):
    operation = wire.text(node, 2)
    if operation not in allowed and _REACHES_OUT.search(operation):
        yield f"it has the operation {operation}"
