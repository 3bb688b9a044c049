"""Several processes at one bundle: two that save it, killed at random, and two that read it."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import kmeta_edge
import numpy as np
import pytest
from kmeta_edge import FewShotClassifier

KILLS = 50
WRITER = """
import itertools, sys
import numpy as np
from kmeta_edge import FewShotClassifier
path, image = sys.argv[1], np.load(sys.argv[2])
for number in itertools.count():
    classifier = FewShotClassifier.load(path, threads=1)
    if len(classifier.class_names) > 8:
        classifier.remove_class(classifier.class_names[-1])
    else:
        name = f"class {number}"
        if name in classifier.class_names:
            continue
        classifier.add_class(name, image)
    classifier.save(path, overwrite=True)
    print(number, flush=True)
"""
READER = """
import sys
from kmeta_edge import FewShotClassifier
while True:
    classifier = FewShotClassifier.load(sys.argv[1], threads=1)
    print(len(classifier.class_names), flush=True)
"""


def start(script, *arguments):
    root = pathlib.Path(kmeta_edge.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_reader_always_sees_a_whole_bundle(bundle, support, tmp_path):
    np.save(tmp_path / "image.npy", support[0]["dog"])
    (tmp_path / "thesis.tex").write_text("years of work")
    readers = [start(READER, bundle) for _ in range(2)]
    random, saves = np.random.default_rng(0), 0
    writers = [start(WRITER, bundle, tmp_path / "image.npy") for _ in range(2)]
    for kill in range(KILLS):
        victim = kill % 2
        assert writers[victim].stdout.readline(), writers[victim].stderr.read()  # at work
        time.sleep(random.uniform(0, 0.2))
        writers[victim].send_signal(signal.SIGKILL)
        output, errors = writers[victim].communicate()
        assert writers[victim].returncode == -signal.SIGKILL, errors
        saves += 1 + output.count("\n")
        writers[victim] = start(WRITER, bundle, tmp_path / "image.npy")
    reads = 0
    for process in (*readers, *writers):
        assert process.poll() is None, process.stderr.read()
        process.kill()
        output, errors = process.communicate()
        assert errors == ""
        reads += output.count("\n") if process in readers else 0
    assert {"ant", "bee", "cat"} <= set(FewShotClassifier.load(bundle).class_names)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    print(f"two writers, two readers | {KILLS} kills | {saves} saves, {reads} reads | 0 damaged")
    assert reads > KILLS


def test_a_bundle_that_is_replaced_while_it_is_read(bundle, support, monkeypatch):
    """Between its manifest and its files; the reader gets the new one, whole."""
    from kmeta_edge import manifest

    read, other = manifest.read, FewShotClassifier.load(bundle)
    other.add_class("dog", support[0]["dog"])
    saved = []

    def late(directory):
        found = read(directory)
        if not saved:
            saved.append(True)
            other.save(bundle, overwrite=True)
        return found

    monkeypatch.setattr(manifest, "read", late)
    assert FewShotClassifier.load(bundle).class_names == ["ant", "bee", "cat", "dog"]
    (bundle / "adapt.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match="adapt.onnx has changed"):
        FewShotClassifier.load(bundle)
    assert json.loads((bundle / "manifest.json").read_text())["format_version"] == 3
