"""Files of Keras that would reach other files, take memory or name code are refused unread."""

import base64
import io
import json
import marshal
import resource
import zipfile

import h5py
import keras
import numpy as np
import pytest

import kmeta
from kmeta.learners import saved_files
from kmeta.learners.saved_files import check_keras_file, check_weights
from kmeta.runs import load


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The entries of a learner's file."""
    learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(2))
    learner.build((16, 16, 1))
    path = tmp_path_factory.mktemp("good") / "learner.keras"
    learner.save(path)
    check_keras_file(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, entries, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def lambda_layer(marker):
    code = compile(f"open({str(marker)!r}, 'w').close()", "attack", "exec")
    text = base64.b64encode(marshal.dumps(code)).decode()
    held = {"class_name": "__lambda__", "config": {"code": text, "defaults": None, "closure": None}}
    config = {"function": held, "output_shape": None, "mask": None, "arguments": {}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": config}


@pytest.fixture(params=["safe", "unsafe"])
def mode(request):
    """Keras as it starts, and with its safe mode switched off for the whole program."""
    if request.param == "unsafe":
        keras.config.enable_unsafe_deserialization()
    yield
    keras.src.saving.serialization_lib.global_state.set_global_attribute("safe_mode_saving", None)


@pytest.mark.usefixtures("mode")
def test_code_where_the_learner_should_be(good, tmp_path):
    marker = tmp_path / "ran"
    own = json.loads(good["config.json"])
    inside = json.loads(good["config.json"])
    inside["config"]["embedding"] = lambda_layer(marker)
    compiled = {**own, "compile_config": {"loss": lambda_layer(marker)}}
    for config in (lambda_layer(marker), inside, compiled):
        path = write(tmp_path / "a.keras", {**good, "config.json": json.dumps(config)})
        with pytest.raises(ValueError, match=r"Cannot load .*a\.keras: A file may not name"):
            load(path)
    assert not marker.exists()


def test_what_is_no_keras_file(good, tmp_path):
    deep = "[" * 100_000 + "]" * 100_000
    bomb = {**good, "config.json": json.dumps({"a": " " * 20_000_000})}
    for entries, words, packing in (
        ({**good, "../evil": b""}, "nothing else. Received: '../evil'", zipfile.ZIP_STORED),
        ({**good, "/etc/evil": b""}, "nothing else", zipfile.ZIP_STORED),
        ({**good, "assets/embedding/vocabulary.txt": b""}, "nothing else", zipfile.ZIP_STORED),
        ({"config.json": good["config.json"]}, "it must hold", zipfile.ZIP_STORED),
        ({**good, "config.json": deep}, "nested too deep|recursion", zipfile.ZIP_STORED),
        ({**good, "config.json": b"\xff"}, "decode", zipfile.ZIP_STORED),
        ({**good, "model.weights.h5": b"rubbish"}, "weights cannot be read", zipfile.ZIP_STORED),
        (bomb, "would unpack to", zipfile.ZIP_DEFLATED),
        (good, "must be stored or deflated", zipfile.ZIP_LZMA),
    ):
        path = write(tmp_path / "a.keras", entries, packing)
        with pytest.raises(ValueError, match=words):
            load(path)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", good["config.json"])
    with pytest.raises(ValueError, match="it must hold"):
        load(path)
    folder = tmp_path / "folder.keras"
    folder.mkdir()
    for name, content in good.items():  # Keras would load it
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match="it is not a file"):
        check_keras_file(folder)
    old = tmp_path / "old.h5"  # CVE-2025-9905: of this format Keras' safe mode knows nothing
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(old)
    with pytest.raises(ValueError, match=r"or a \.keras file"):
        load(old)
    with pytest.raises(ValueError, match="no zip archive"):
        load(old.rename(tmp_path / "old.keras"))


@pytest.mark.parametrize(
    ("kind", "old", "new", "words"),
    [
        ("learner", '"filters": 2', '"filters": 2000000', "asks for more than"),
        ("learner", '"image_shape": [16, 16, 1]', '"image_shape": [99999, 9999, 1]', "4194304"),
        ("classifier", '"filters": 2', '"filters": 2000000', "asks for more than"),
        ("classifier", "[[1, 2, 2]", "[[1, 2, 200000000]", "asks for more than"),
    ],
)
def test_configurations_that_ask_for_memory(tmp_path, kind, old, new, words):
    model = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(2))
    model.build((16, 16, 1))
    if kind == "classifier":
        model = model.adapt(np.zeros((2, 16, 16, 1), "float32"), [0, 1])
    model.save(tmp_path / "good.keras")
    assert type(load(tmp_path / "good.keras")) is type(model)
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = entries["config.json"].decode()
    assert old in config
    path = write(tmp_path / "a.keras", {**entries, "config.json": config.replace(old, new)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=f"Cannot load .*{words}"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


@pytest.mark.parametrize("name", ["../../evil", "/evil", "..", ".", "..\\\\evil", "C:evil"])
def test_names_of_layers_lead_nowhere(tmp_path, name):
    """CVE-2026-12479: where Keras writes and reads parts of a model, names of layers were paths."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    network = keras.Sequential([keras.layers.Dense(3, name="mine"), keras.layers.Dense(2)])
    learner = kmeta.PrototypicalNetwork(network)
    learner.build((4,))
    learner.save(inside / "good.keras")
    with zipfile.ZipFile(inside / "good.keras") as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    config = entries["config.json"].decode()
    assert '"mine"' in config
    entries["config.json"] = config.replace('"mine"', f'"{name}"')
    path = write(inside / "bad.keras", entries)
    if "/" in name:
        with pytest.raises(ValueError, match="Cannot load"):
            load(path)
    else:
        found = load(path)
        found.save(inside / "again.keras")
        found.save_weights(inside / "again.weights.h5")
        for mine, its in zip(learner.get_weights(), found.get_weights(), strict=True):
            np.testing.assert_array_equal(its, mine)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert {entry.parent for entry in tmp_path.rglob("*") if entry.is_file()} == {inside}


def weights(make):
    """An HDF5 file with an array of its own, and what `make` adds to it."""
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened["layers/conv/vars/0"] = np.ones((3, 3), "float32")
        make(opened["layers/conv/vars"])
    return file.getvalue()


def shape_bomb(group):
    group.create_dataset("1", (10**6, 10**6), "float32", chunks=(1000, 1000))


def many_shapes(group):
    for number in range(3000):
        group.create_dataset(str(number + 1), (2**20,), "float64", chunks=(2**10,))


def external_array(group):
    group.create_dataset("1", (4,), "uint8", external=[("/etc/hostname", 0, 4)])


def virtual_array(group):
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "a", (4,))
    group.create_virtual_dataset("1", layout)


def link(target):
    def make(group):
        group["1"] = target

    return make


def circle(group):
    group["again"] = group


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(shape_bomb, "claim 4000000000036 bytes", id="CVE-2026-0897"),
        (many_shapes, "more than their file can hold"),
        pytest.param(external_array, "in another file: '1'", id="CVE-2026-1669 array"),
        (virtual_array, "in another file: '1'"),
        pytest.param(
            link(h5py.ExternalLink("/tmp/other.h5", "/a")), "a link: '1'", id="CVE-2026-1669 link"
        ),
        (link(h5py.SoftLink("/layers/conv/vars/0")), "a link: '1'"),
        (link(np.array(["text"], dtype=h5py.string_dtype())), "no numbers in '1'"),
        (link(h5py.Empty("float32")), "weights"),
        pytest.param(
            circle, "more than 20000 objects|more than their file can hold", marks=pytest.mark.slow
        ),
    ],
)
def test_weights_that_are_refused(good, tmp_path, make, words):
    data = weights(make)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=words):
        check_weights(io.BytesIO(data), len(data))
    path = write(tmp_path / "a.keras", {**good, "model.weights.h5": data})
    with pytest.raises(ValueError, match="Cannot load"):
        load(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # KiB


def test_weights_that_are_taken(monkeypatch):
    data = weights(lambda group: group.create_dataset("1", (100, 100), "float32", chunks=(9, 9)))
    check_weights(io.BytesIO(data), len(data))
    monkeypatch.setattr(saved_files, "RATIO", 0)
    monkeypatch.setattr(saved_files, "_SPARE", 100)
    with pytest.raises(ValueError, match="claim"):
        check_weights(io.BytesIO(data), len(data))


def test_weights_of_an_application(tmp_path):
    from kmeta.few_shot.backbones import learner_of

    path = tmp_path / "net.h5"
    path.write_bytes(weights(link(h5py.ExternalLink("/tmp/other.h5", "/a"))))
    with pytest.raises(ValueError, match="a link: '1'"):
        learner_of("MobileNetV2", str(path), 32)
