"""Bundles with random faults, and right hashes for them: refused in one line, or as good as whole.

`pytest -m slow -s tests/serving/test_edge_fuzz.py` prints a table of kinds, attempts and faults.
"""

import copy
import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from kmeta_edge import FewShotClassifier, arrays, manifest, onnx_file
from kmeta_edge.bundle import fingerprint

SEED = 0
ODD = (None, True, -1, 0, 3, 1e308, "", "x", "../x", "/etc/hostname", [], {}, [None], "\ud800")
ODD += (float("nan"), 10**400, ["a", "a"], {"a": {}}, "batch", [0, -1])


def refused(function, *arguments):
    """Whether a function raises ValueError; anything else is a fault of the reader."""
    try:
        function(*arguments)
    except ValueError:
        return True
    return False


def flipped(data, random):
    """Bytes with some changed, cut, doubled or filled."""
    data, kind = bytearray(data), random.integers(4)
    place = int(random.integers(len(data)))
    if kind == 0:
        for at in random.integers(len(data), size=random.integers(1, 9)):
            data[at] = random.integers(256)
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        data[place:place] = data[: random.integers(1, 200)]
    else:
        data[place : place + 8] = b"\xff" * 8
    return bytes(data)


def mutated(value, random):
    """A JSON value with one odd entry somewhere."""
    value = copy.deepcopy(value)
    at = value
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = keys[random.integers(len(keys))]
        if isinstance(at[key], (dict, list)) and at[key] and random.random() < 0.7:
            at = at[key]
            continue
        if random.random() < 0.2:
            del at[key]
        else:
            at[key] = ODD[random.integers(len(ODD))]
        return value


def row(kind, attempts, found):
    print(f"\n{kind} | {attempts} attempts | {found} refused | 0 faults")
    assert found > 0


@pytest.mark.slow
def test_manifests(bundle):
    random = np.random.default_rng(SEED)
    text = (bundle / "manifest.json").read_bytes()
    sound, found = json.loads(text), 0
    for attempt in range(4000):
        if attempt % 2:
            changed = json.dumps(mutated(sound, random)).encode()
        else:
            changed = flipped(text, random)
        (bundle / "manifest.json").write_bytes(changed)
        found += refused(manifest.read, bundle)
    row("manifests", 4000, found)


@pytest.mark.slow
def test_manifests_of_loaded_bundles(bundle):
    """What a manifest that passes leads to."""
    random = np.random.default_rng(SEED + 1)
    sound, found = json.loads((bundle / "manifest.json").read_text()), 0
    expected = FewShotClassifier.load(bundle, 1).predict(np.zeros((1, 28, 28, 1), "uint8"))
    for _ in range(300):
        (bundle / "manifest.json").write_text(json.dumps(mutated(sound, random)))

        def use():
            classifier = FewShotClassifier.load(bundle, 1)
            answer = classifier.predict(np.zeros((1, 28, 28, 1), "uint8"))
            np.testing.assert_array_equal(answer, expected)
            classifier.add_class("new", np.zeros((1, 28, 28, 1), "uint8"))

        found += refused(use)
    row("bundles with odd manifests", 300, found)


@pytest.mark.slow
def test_arrays(bundle):
    random = np.random.default_rng(SEED + 2)
    found = 0
    for name in ("sample.npz", "state.npz"):
        data = (bundle / name).read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = {x: file.read(x) for x in file.namelist()}
        for attempt in range(1500):
            changed = flipped(data, random)
            if attempt % 2:  # a sound archive of a broken member
                buffer, chosen = io.BytesIO(), random.choice(list(members))
                with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
                    for member, content in members.items():
                        broken = flipped(content, random) if member == chosen else content
                        file.writestr(member, broken)
                changed = buffer.getvalue()
            found += refused(arrays.read, changed)
    row("arrays", 3000, found)


@pytest.mark.slow
def test_onnx_files(bundle):
    """The walk through their fields ends, with an answer or a refusal."""
    random = np.random.default_rng(SEED + 3)
    found = 0
    for name in ("classifier.onnx", "adapt.onnx", "classify.onnx", "resize.onnx"):
        data = (bundle / name).read_bytes()
        for _ in range(750):
            changed = flipped(data, random)
            found += refused(onnx_file.check, changed)
            refused(onnx_file.only, changed, ["embeddings"], {"kmeta.class_names": "[]"})
    row("fields of ONNX files", 3000, found)


@pytest.mark.slow
def test_bytes_of_a_bundle(bundle, tmp_path):
    """Any change of any file beside the manifest is noticed by its hash."""
    random = np.random.default_rng(SEED + 4)
    files = [p for p in bundle.rglob("*") if p.is_file() and p.name != "manifest.json"]
    found = 0
    for attempt in range(500):
        path = files[attempt % len(files)]
        data = path.read_bytes()
        changed = flipped(data, random)
        path.write_bytes(changed)
        was_refused = refused(FewShotClassifier.load, bundle, 1)
        assert was_refused or changed == data, path
        found += was_refused
        path.write_bytes(data)
    row("bytes of bundles", 500, found)
    assert not refused(FewShotClassifier.load, bundle, 1)


@pytest.mark.slow
def test_samples_and_states_with_right_hashes(bundle, tmp_path):
    """Whoever writes a hash can write any answer; but nothing else than ValueError comes of it."""
    random = np.random.default_rng(SEED + 5)
    found = 0
    for attempt in range(300):
        path = shutil.copytree(bundle, tmp_path / "copy")
        name = ("sample.npz", "state.npz")[attempt % 2]
        (path / name).write_bytes(flipped((path / name).read_bytes(), random))
        described = json.loads((path / "manifest.json").read_text())
        described["files"][name] = fingerprint(path / name)
        (path / "manifest.json").write_text(json.dumps(described))

        def use(path=path):
            classifier = FewShotClassifier.load(path, 1)
            classifier.add_class("new", np.zeros((1, 28, 28, 1), "uint8"))
            assert np.isfinite(classifier.predict(np.zeros((1, 28, 28, 1), "uint8"))).all()

        found += refused(use)
        shutil.rmtree(path)
    row("samples and states with right hashes", 300, found)
