import platform
import subprocess
import sys

import keras
import numpy as np
import pytest

import kmeta
from kmeta.learners import allocator, meta_learner

CODE = """
import resource
import numpy as np
from kmeta.learners.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        pieces = [np.ones(100_000, "uint8") for _ in range(20)]
        del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU C library")
def test_freed_memory_is_used_again_without_the_system():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    without, kept = map(int, run.stdout.split())
    assert without > 10_000
    assert kept < 100


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.delattr(allocator.ctypes, "CDLL")
    allocator.keep_freed_memory()


def test_fit_asks_for_it(monkeypatch):
    asked = []
    monkeypatch.setattr(meta_learner, "keep_freed_memory", lambda: asked.append(True))
    learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
    learner.compile(run_eagerly=True)
    data = kmeta.data.from_arrays(np.eye(4, dtype="float32"), [0, 0, 1, 1])
    learner.fit(kmeta.Episodes(data, way=2, shot=1, query=1, steps=1), verbose=0)
    assert asked == [True]
