"""The table of attacks, with a part of them."""

import os
import pathlib
import subprocess
import sys

import pytest

ATTACKS = pathlib.Path(__file__).parents[2] / "benchmarks" / "attacks.py"


@pytest.mark.slow
def test_no_attack_succeeds(exported):
    command = [sys.executable, str(ATTACKS), str(exported("prototypical")[1]), "--part", "0.1"]
    path = os.pathsep.join(sys.path)  # with the packages of serving/, which need not be installed
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1880 attempts, 0 faults" in done.stdout
