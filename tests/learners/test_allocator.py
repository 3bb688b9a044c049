import contextlib
import platform
import subprocess
import sys

import keras
import numpy as np
import pytest

import kmeta
from kmeta.learners import allocator, meta_learner

CODE = """
import re
import resource
from pathlib import Path

import numpy as np

from kmeta.learners.allocator import freed_memory_kept

def faults(count, size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        pieces = [np.ones(size, "uint8") for _ in range(count)]
        del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(re.search(r"VmRSS:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

SIZES = [(100, 100_000), (2, 50_000_000)]
for size in SIZES:
    print(faults(*size))
before = resident()
with freed_memory_kept():
    for size in SIZES:
        faults(*size)
        print(faults(*size))
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU C library")
def test_freed_memory_is_used_again_without_the_system_and_given_back_at_the_end():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    *faults, left = map(int, run.stdout.split())
    assert min(faults[:2]) > 10_000
    assert max(faults[2:]) < 100
    assert left < 10_000  # KiB


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.delattr(allocator.ctypes, "CDLL")
    with allocator.freed_memory_kept():
        pass


def test_fit_asks_for_it(monkeypatch):
    asked = []

    def kept():
        asked.append(True)
        return contextlib.nullcontext()

    monkeypatch.setattr(meta_learner, "freed_memory_kept", kept)
    learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
    learner.compile(run_eagerly=True)
    data = kmeta.data.from_arrays(np.eye(4, dtype="float32"), [0, 0, 1, 1])
    learner.fit(kmeta.Episodes(data, way=2, shot=1, query=1, steps=1), verbose=0)
    assert asked == [True]
