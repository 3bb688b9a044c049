"""Where Keras' backend is not installed, kmeta says what to install."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys

class Missing:
    def find_spec(name, path=None, target=None):
        if name in ("tensorflow", "jax"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing)
"""
USES = {
    "in Python": "import kmeta\nkmeta.MAML",
    "command": "import kmeta.cli.main as x\nsys.exit(x.main(['fit', sys.argv[1], '--out', 'x']))",
}


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("use", USES)
def test_what_to_install_is_said(pictures, tmp_path, backend, use):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + USES[use], pictures],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    last = done.stderr.splitlines()[-1]
    assert f"Keras is set to compute with {backend}, which is not installed" in last
    assert "pip install 'kmeta[tensorflow]'" in last and "KERAS_BACKEND=jax" in last
    if use == "command":
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
