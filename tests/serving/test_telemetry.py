"""onnxruntime, which reports what it is used for, does not do so here, wherever it is loaded."""

import os
import pathlib
import subprocess
import sys

import kmeta_edge
import pytest
from quick_cases import others_slow

import kmeta

USES = {
    "edge": "from kmeta_edge import FewShotClassifier as F; F.load(sys.argv[1]).check_sample()",
    "bench": "from kmeta_edge import bench; bench.measure(sys.argv[1], 2)",
    "exporting": "from kmeta.exporting import load_bundle; load_bundle(sys.argv[1])",
    "int8": "import kmeta.exporting.quantizer",
}


def written(code, home, *arguments):
    """The files that a fresh process leaves below its home folder."""
    roots = {pathlib.Path(module.__file__).parents[1] for module in (kmeta, kmeta_edge)}
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    kept = {name: value for name, value in kept.items() if not name.startswith("XDG_")}
    environment = {**kept, "HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, roots))}
    command = [sys.executable, "-c", f"import sys; {code}", *map(str, arguments)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("use", others_slow(USES, ["edge", "bench", "exporting"]))
def test_nothing_is_written_below_the_home_folder(use, bundle, tmp_path):
    (tmp_path / "home").mkdir()
    found = written(USES[use], tmp_path / "home", bundle)
    assert [name for name in found if "onnxruntime" in name or "Microsoft" in name] == []
    if use != "int8":  # TensorFlow and what it loads may have folders of their own
        assert found == []


def test_it_would_be_noticed(tmp_path):
    if not written("import onnxruntime", tmp_path):
        pytest.skip("this onnxruntime writes nothing by itself")
