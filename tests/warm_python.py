"""A process that has loaded TensorFlow and ONNX Runtime, and runs programs in copies of itself.

Loading them takes longer than most of what a program then does. A copy has never heard of kmeta,
Keras or the tests, as a new process would not. `warm_python.py`, each line of its input: JSON of
`argv`, `environment` and the `output` folder, where `stdout` and `stderr` appear; it answers with
the exit status.
"""

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path


class WarmPython:
    """Runs Python programs as `subprocess.run` would; starts at the first one."""

    def __init__(self):
        self._process = None

    def run(self, command, *, env, capture_output, text):
        """`command` is `[sys.executable, "-I", program, ...]`; output is captured as text."""
        assert command[:2] == [sys.executable, "-I"]
        assert capture_output and text
        if self._process is None:
            start = [sys.executable, "-I", __file__]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(start, stdin=pipe, stdout=pipe, text=True, env=env)
        with tempfile.TemporaryDirectory() as folder:
            order = {"argv": [str(x) for x in command[2:]], "environment": env, "output": folder}
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            status = json.loads(self._process.stdout.readline())
            output = [Path(folder, name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(command, status, *output)

    def close(self):
        if self._process is not None:
            self._process.communicate()


def run_copy(argv, environment, output):
    """Exit status of a program run in a copy of this process."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(Path(output, name), os.O_WRONLY | os.O_CREAT), number)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = argv
        runpy.run_path(argv[0], run_name="__main__")
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    import onnxruntime  # noqa: F401
    import tensorflow  # noqa: F401

    for line in sys.stdin:
        sys.stdout.write(f"{run_copy(**json.loads(line))}\n")
        sys.stdout.flush()
