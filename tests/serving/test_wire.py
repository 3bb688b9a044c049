"""Messages of protocol buffers are read and written as protobuf does."""

import numpy as np
import onnx
import pytest
from kmeta_edge import onnx_file, wire
from tensorflow.core.framework import attr_value_pb2, node_def_pb2, tensor_shape_pb2


def test_fields_are_those_of_protobuf():
    node = node_def_pb2.NodeDef(name="a" * 300, op="Sin", input=["x", "y"])
    node.attr["f"].f = 0.5
    node.attr["i"].i = 2**63 - 1
    data = memoryview(node.SerializeToString())
    assert wire.text(data, 1) == node.name and wire.text(data, 2) == "Sin"
    assert [bytes(part) for part in wire.parts(data, 3)] == [b"x", b"y"]
    assert b"".join(whole for *_, whole in wire.fields(data)) == data
    entries = {wire.text(entry, 1): wire.part(entry, 2) for entry in wire.parts(data, 5)}
    ((number, value, _),) = wire.fields(entries["f"])
    assert number == attr_value_pb2.AttrValue.F_FIELD_NUMBER
    assert np.frombuffer(value, "<f4") == 0.5
    assert [value for _, value, _ in wire.fields(entries["i"])] == [2**63 - 1]
    assert wire.text(data, 9) == ""  # there is none


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 2**31])
def test_numbers_are_written_as_protobuf_writes_them(size):
    expected = tensor_shape_pb2.TensorShapeProto.Dim(size=size).SerializeToString()
    assert (wire.varint(8) + wire.varint(size) if size else b"") == expected
    name = "n" * (size % 1000)
    expected = node_def_pb2.NodeDef(op=name).SerializeToString()
    assert (wire.field(2, name.encode()) if name else b"") == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0a\x05abc", "cut short"),
        (b"\x0a", "cut short"),
        (b"\x0b", "no message"),  # a group
        (b"\xff" * 11, "no message"),
        (b"\x0a\x01a\x0a\x01b", "stands twice"),
        (b"\x0a\x01\xff", "utf-8"),
    ],
)
def test_what_is_no_message_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        wire.text(memoryview(data), 1)


def test_a_number_where_a_message_should_be():
    graph = wire.field(12, wire.field(1, b"embeddings"))
    data = wire.field(7, graph)
    assert onnx_file.only(data, ["embeddings"], {}) == data
    for number in (b"\x38\x05", wire.field(7, b"\x60\x05")):  # of the graph, of its outputs
        with pytest.raises(ValueError, match="a number stands where a message should be"):
            onnx_file.only(number, ["embeddings"], {})


def test_metadata_in_place_of_others():
    model = onnx.helper.make_model(onnx.helper.make_graph([], "graph", [], []))
    onnx.helper.set_model_props(model, {"key": "old", "other": "kept"})
    data = onnx_file.only(model.SerializeToString(), [], {"key": "nëw", "more": ""})
    found = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
    assert found == {"key": "nëw", "other": "kept", "more": ""}
