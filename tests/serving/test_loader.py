"""TensorFlow's own C++ loader, which TensorFlow Serving uses, runs every signature."""

import shutil
import struct
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from kmeta_edge import sample as stored
from quick_cases import others_slow
from specimens import SIZE, SPECIMENS, WAY

from kmeta.exporting import endpoints, samples, saved_model

LEARNERS = {name: specimen.make for name, specimen in SPECIMENS.items()} | {
    "MAML, first order": lambda: SPECIMENS["MAML"].make().with_options(first_order=True)
}
DTYPES = {1: "float32", 4: "uint8", 9: "int64"}


@pytest.fixture(scope="session")
def loader(tmp_path_factory):
    """The compiled program."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    program = tmp_path_factory.mktemp("loader") / "loader"
    home = Path(tf.sysconfig.get_lib())
    linker = ["-fuse-ld=gold"] if shutil.which("ld.gold") else []  # in an eighth of the time
    subprocess.run(
        [
            *("gcc", "-Wall", "-Werror", "-o", program, Path(__file__).with_name("loader.c")),
            *(*linker, f"-I{tf.sysconfig.get_include()}", f"-Wl,-rpath,{home}"),
            *(home / "libtensorflow_cc.so.2", home / "libtensorflow_framework.so.2"),
        ],
        check=True,
    )
    return program


def number(value):
    return struct.pack("<q", value)


def place(tensor):
    """Of a tensor `name:index`."""
    name, index = tensor.name.split(":")
    return number(len(name)) + name.encode() + number(int(index))


def packed(array):
    """A tensor as the program reads it."""
    if array.dtype.kind == "S":
        texts = array.tolist()
        data, kind = b"".join(number(len(x)) + x for x in texts), 7
    else:
        kind = next(kind for kind, dtype in DTYPES.items() if array.dtype == dtype)
        data = array.astype(DTYPES[kind]).tobytes()
    return b"".join(map(number, (kind, array.ndim, *array.shape, len(data)))) + data


def unpacked(file):
    def read():
        return struct.unpack("<q", file.read(8))[0]

    kind, rank = read(), read()
    shape = [read() for _ in range(rank)]
    count = read()
    if kind == 7:
        return np.array([file.read(read()).decode() for _ in range(int(np.prod(shape)))])
    return np.frombuffer(file.read(count), DTYPES[kind]).reshape(shape)


@pytest.mark.parametrize("name", others_slow(LEARNERS, ["PrototypicalNetwork"]))
def test_every_signature_runs(loader, name, tmp_path):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    learner = LEARNERS[name]()
    images = rng.random((2 * WAY, SIZE, SIZE, 1), dtype="float32")
    classifier = learner.adapt(images, np.arange(2 * WAY) % WAY)
    functions = saved_model.trace(endpoints.table(classifier))
    pixels = (images * 255).astype("uint8")
    sample = samples.make(classifier, functions, pixels)
    inputs = stored.inputs(sample, samples.state(classifier) if classifier.can_grow else {})
    path = tmp_path / "model"
    saved_model.save(functions, str(path), classifier.class_names)

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
        signatures = {n: s for n, s in meta.signature_def.items() if not n.startswith("__")}
        assert set(signatures) == set(functions)
        requests, expected, largest = b"", [], {}
        for signature, definition in signatures.items():
            prefix = "" if signature == "serving_default" else f"{signature}/"
            given = {n: inputs[n] for n in definition.inputs}
            outputs = {n: definition.outputs[n] for n in sorted(definition.outputs)}
            requests += number(len(given)) + number(len(outputs))
            for input_name, value in given.items():
                requests += place(definition.inputs[input_name]) + packed(value)
            requests += b"".join(map(place, outputs.values()))
            feed = {
                definition.inputs[n].name: x.astype(object) if x.dtype.kind == "S" else x
                for n, x in given.items()
            }
            found = session.run({n: t.name for n, t in outputs.items()}, feed)  # the v1 loader
            for output, value in found.items():
                if prefix + output in sample:
                    right = sample[prefix + output]
                    np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-5)
                expected.append((signature, prefix + output, value))
    (tmp_path / "requests").write_bytes(requests)
    process = subprocess.run(
        [loader, path, tmp_path / "requests", tmp_path / "answers"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    with open(tmp_path / "answers", "rb") as file:
        for signature, name_in_sample, value in expected:
            found = unpacked(file)
            where = f"{signature}: {name_in_sample}"
            if value.dtype == object:
                assert found.tolist() == [text.decode() for text in value], where
            else:
                np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-6, err_msg=where)
            right = sample.get(name_in_sample)
            if right is not None:
                difference = np.abs(found - right).max() / max(1, np.abs(right).max())
                largest[signature] = max(largest.get(signature, 0), float(difference))
        assert file.read() == b""
    assert set(largest) == set(functions)
    assert max(largest.values()) <= 1e-5
    print(name, *(f"{signature} {found:.1e}" for signature, found in largest.items()), sep=" | ")
