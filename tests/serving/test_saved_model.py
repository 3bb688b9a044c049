"""SavedModels that do more than compute are refused, by their files alone."""

import contextlib
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from kmeta_client.deploy import deploy, main
from kmeta_edge import bundle as bundles
from kmeta_edge import saved_model, wire
from tensorflow.core.framework import graph_pb2, op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session as c_api

from kmeta.exporting import load_bundle, verify_bundle

FLOATS = tf.TensorSpec([None], "float32")


def saved(path, function):
    """The bytes of a SavedModel of a function of floats, with a variable."""

    class Held(tf.Module):
        def __init__(self):
            super().__init__()
            self.one = tf.Variable(1.0)

        @tf.function(input_signature=[FLOATS])
        def __call__(self, x):
            return {"y": function(x) * self.one}

    held = Held()
    tf.saved_model.save(held, str(path), signatures=held.__call__)
    return (path / "saved_model.pb").read_bytes()


def deep(x):
    """Reads a file inside a branch inside a loop."""

    def body(i, y):
        read = tf.cond(
            y[0] > 0, lambda: tf.strings.length(tf.io.read_file("/etc/hostname")), lambda: 0
        )
        return i + 1, y + tf.cast(read, "float32")

    return tf.while_loop(lambda i, _: i < 3, body, (0, x))[1]


def written(x):
    with tf.control_dependencies([tf.io.write_file("/tmp/kmeta-attack", "x")]):
        return tf.identity(x)


def printed(x):
    tf.print(x, output_stream="file:///tmp/kmeta-attack")
    return x


def listed(x):
    return x + tf.cast(tf.size(tf.io.matching_files("/*")), "float32")


def restored(x):
    return (
        x
        + tf.raw_ops.RestoreV2(
            prefix="/tmp/a", tensor_names=["a"], shape_and_slices=[""], dtypes=["float32"]
        )[0]
    )


def saving(x):
    with tf.control_dependencies(
        [tf.raw_ops.SaveV2(prefix="/tmp/a", tensor_names=["a"], shape_and_slices=[""], tensors=[x])]
    ):
        return tf.identity(x)


def merging(x):
    with tf.control_dependencies(
        [tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=["/tmp/a"], destination_prefix="/tmp/b")]
    ):
        return tf.identity(x)


def from_data(x):
    lines = tf.data.TextLineDataset("/etc/hostname")
    return x + tf.cast(lines.reduce(0, lambda count, _: count + 1), "float32")


ATTACKS = {
    "ReadFile": deep,
    "WriteFile": written,
    "PrintV2": printed,
    "MatchingFiles": listed,
    "RestoreV2": restored,
    "SaveV2": saving,
    "MergeV2Checkpoints": merging,
    "EagerPyFunc": lambda x: tf.py_function(lambda y: y, [x], "float32"),
    "PyFunc": lambda x: tf.numpy_function(lambda y: y, [x], "float32"),
    "TextLineDataset": from_data,
}


@pytest.mark.parametrize("operation", ATTACKS)
def test_operations_that_reach_out(tmp_path, operation):
    data = saved(tmp_path / "model", ATTACKS[operation])
    with pytest.raises(ValueError, match="can reach beyond its folder: it has the operation"):
        saved_model.check(data, "b")


def test_every_operation_with_a_place_to_read_or_write():
    """By their registered attributes and inputs; no operation is run."""
    registered = op_def_pb2.OpList.FromString(c_api.TF_GetBuffer(c_api.TF_GetAllOpList()))
    assert len(registered.op) > 1000
    places = re.compile("file|path|address|url|server|region")
    reaching = {
        operation.name
        for operation in registered.op
        if any(
            places.search(part.name)
            for part in (*operation.attr, *operation.input_arg)
            if part.DESCRIPTOR.name == "ArgDef" or part.type in ("string", "list(string)")
        )
    }
    assert {"ReadFile", "WriteFile", "RecordInput", "Skipgram", "ImmutableConst"} <= reaching
    for name in reaching:
        node = graph_pb2.GraphDef(node=[{"name": "a", "op": name}])
        model = saved_model_pb2.SavedModel(meta_graphs=[{"graph_def": node}])
        with pytest.raises(ValueError, match=f"the operation {name}$"):
            saved_model.check(model.SerializeToString(), "b")


def test_a_model_that_computes(tmp_path):
    data = saved(tmp_path / "model", lambda x: tf.sin(x))
    assert b"RestoreV2" in data and b"MergeV2Checkpoints" in data  # of its own saver
    saved_model.check(data, "b")


def changed(data, change):
    model = saved_model_pb2.SavedModel()
    model.ParseFromString(data)
    change(model.meta_graphs[0])
    return model.SerializeToString()


def test_the_saver_is_the_loaders_alone(tmp_path):
    data = saved(tmp_path / "model", lambda x: tf.sin(x))

    def function(graph, kind):
        (found,) = (f for f in graph.graph_def.library.function if f"_{kind}_" in f.signature.name)
        return found

    def called_by_another_node(graph):
        node = graph.graph_def.node.add(name="own", op="StatefulPartitionedCall")
        node.attr["f"].func.name = function(graph, "traced_save").signature.name

    def called_as_an_operation(graph):
        graph.graph_def.node.add(name="own", op=function(graph, "traced_restore").signature.name)

    def called_by_a_function(graph):
        other = next(
            f for f in graph.graph_def.library.function if "traced" not in f.signature.name
        )
        node = other.node_def.add(name="own", op="StatefulPartitionedCall")
        node.attr["f"].func.name = function(graph, "traced_save").signature.name

    def path_of_its_own(graph):
        for node in function(graph, "traced_restore").node_def:
            if node.op == "RestoreV2":
                node.input[0] = "RestoreV2/tensor_names:output:0"

    def file_in_the_saver(graph):
        function(graph, "traced_save").node_def.add(name="own", op="ReadFile")

    def asset(graph):
        graph.asset_file_def.add(filename="../../../etc/passwd")

    for change, words in (
        (called_by_another_node, "own calls its saver"),
        (called_as_an_operation, "own calls its saver"),
        (called_by_a_function, "calls its saver"),
        (path_of_its_own, "restores from a file of its own"),
        (file_in_the_saver, "the operation ReadFile"),
        (asset, "its asset is '../../../etc/passwd'"),
    ):
        with pytest.raises(ValueError, match=words):
            saved_model.check(changed(data, change), "b")


def test_an_operation_may_not_stand_twice():
    """Of two, protobuf takes the last."""
    node = wire.field(1, b"own") + wire.field(2, b"Sin") + wire.field(2, b"ReadFile")
    data = wire.field(2, wire.field(2, wire.field(1, node)))
    model = saved_model_pb2.SavedModel.FromString(data)
    assert model.meta_graphs[0].graph_def.node[0].op == "ReadFile"
    with pytest.raises(ValueError, match=r"saved_model\.pb is none"):
        saved_model.check(data, "b")


def test_a_file_to_restore_from_must_be_given():
    def restoring(*inputs):
        signature = wire.field(1, b"__inference__traced_restore_1")
        signature += wire.field(2, wire.field(1, b"file"))
        node = wire.field(1, b"a") + wire.field(2, b"RestoreV2")
        node += b"".join(wire.field(3, name) for name in inputs)
        function = wire.field(1, signature) + wire.field(3, node)
        return wire.field(2, wire.field(2, wire.field(2, wire.field(1, function))))

    saved_model.check(restoring(b"file", b"own"), "b")
    for inputs in ((), (b"own", b"file")):
        with pytest.raises(ValueError, match="restores from a file of its own"):
            saved_model.check(restoring(*inputs), "b")


def test_files_that_are_no_saved_model(tmp_path):
    data = saved(tmp_path / "model", lambda x: x)
    rng = np.random.default_rng(0)
    kept = b"\x12" + bytes([200, 1]) + b"\xff" * 200
    for wrong in (data[:-3], kept, b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
        with pytest.raises(ValueError, match="is damaged"):
            saved_model.check(wrong, "b")
    for _ in range(200):  # nothing but ValueError
        at = rng.integers(len(data), size=5)
        broken = bytearray(data)
        for place in at:
            broken[place] = rng.integers(256)
        with contextlib.suppress(ValueError):
            saved_model.check(bytes(broken), "b")


def replace_saved_model(bundle, data):
    """Put another SavedModel into a bundle, whose manifest agrees."""
    (bundle / "saved_model/1/saved_model.pb").write_bytes(data)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["saved_model/1/saved_model.pb"] = bundles.fingerprint(
        bundle / "saved_model/1/saved_model.pb"
    )
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def list_again(bundle):
    """Write the manifest of the files as they now are."""
    bundles.write_manifest(bundle, json.loads((bundle / "manifest.json").read_text()))


@pytest.mark.parametrize(
    "name", ["1/unlisted", "1/variables/variables.data-00001-of-00002", "2/saved_model.pb", ".x"]
)
def test_files_of_which_the_manifest_does_not_know(bundle, name, tmp_path):
    path = bundle / "saved_model" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    for read in (verify_bundle, load_bundle, lambda path: deploy(path, tmp_path / "model")):
        with pytest.raises(ValueError, match=f"its manifest does not have saved_model/{name}"):
            read(bundle)
    path.unlink()
    path.symlink_to(tmp_path)
    with pytest.raises(ValueError, match=f"its manifest does not have saved_model/{name}"):
        verify_bundle(bundle)


@pytest.mark.parametrize("name", ["2/saved_model.pb", "1/saved_model.pbtxt", "1/a/saved_model.cpb"])
def test_a_second_program(bundle, name):
    path = bundle / "saved_model" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(saved(bundle.parent / "evil", written))
    list_again(bundle)
    with pytest.raises(ValueError, match=f"has a second SavedModel: saved_model/{name}"):
        load_bundle(bundle)


def test_bundles_and_deployment(bundle, tmp_path, capsys):
    assert deploy(bundle, tmp_path / "model") == 1
    assert "saved_model.pb" in {p.name for p in pathlib.Path(tmp_path / "model/1").iterdir()}
    replace_saved_model(bundle, saved(tmp_path / "evil", written))
    for load in (verify_bundle, load_bundle, lambda path: deploy(path, tmp_path / "model")):
        with pytest.raises(ValueError, match="can reach beyond its folder: it has the operation W"):
            load(bundle)
    assert not (tmp_path / "model/2").exists()
    (bundle / "saved_model/1/variables/variables.index").write_bytes(b"x")
    assert main([str(bundle), str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
