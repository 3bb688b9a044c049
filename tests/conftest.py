"""What every test may rely on: quiet TensorFlow, and real data where a checkout has them."""

import gc
import math
import os
from pathlib import Path

# Tests run beside each other: threads of one would only wait for those of another. Read at import.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
# XLA, and so JAX, takes longer to compile a graph than tests to run it.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

import numpy as np
import pytest
from PIL import Image
from warm_python import WarmPython

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
gc.set_threshold(10_000, 10, 10)  # graphs are many objects that live long; each is looked at less

_BESIDE = Path(__file__).parents[2] / "shared" / "data"
if "KMETA_DATA" not in os.environ and _BESIDE.is_dir():
    os.environ["KMETA_DATA"] = str(_BESIDE)


def pytest_collection_finish():
    """What has been imported stays: it need not be looked at for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 10 classes `c0` to `c9`, each of 8 noisy pictures, 16x16 and grey."""
    folder = tmp_path_factory.mktemp("data") / "pictures"
    rng = np.random.default_rng(0)
    for number in range(10):
        place = folder / f"c{number}"
        place.mkdir(parents=True)
        for copy in range(8):
            pixels = rng.integers(0, 80, (16, 16))
            pixels[number : number + 6, 2:14] += 150
            Image.fromarray(pixels.astype("uint8")).save(place / f"{copy}.png")
    return folder


@pytest.fixture(scope="session", autouse=True)
def warm_proofs():
    """Bundles are proved in copies of one process that has loaded TensorFlow already.

    Those that other processes export, as `kmeta` run as a program does, are proved as ever.
    """
    from kmeta.exporting import parity

    python = WarmPython()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "subprocess", python)
        yield
    python.close()


@pytest.fixture(scope="module", autouse=True)
def believed_bundles(request, warm_proofs):
    """Elsewhere than where exports are tested, bundles are taken for what Keras says.

    Those in 8 bits are not: they keep how far they are from it.
    """
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name in ("cli", "few_shot", "learners", "serving"):
            from kmeta.edge.models import Models
            from kmeta.exporting import parity

            measure = parity.measure

            def believed(folder, tolerance):
                if tolerance == math.inf:  # of 8 bits
                    return measure(folder, tolerance)
                files = {path.stem: path.read_bytes() for path in folder.glob("*.onnx")}
                none = dict.fromkeys(Models(files).names, 0.0)
                return {"saved_model": none, "onnx": none}

            patch.setattr(parity, "measure", believed)
        yield
