"""What every test may rely on: quiet TensorFlow, and real data where a checkout has them."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_BESIDE = Path(__file__).parents[2] / "shared" / "data"
if "KMETA_DATA" not in os.environ and _BESIDE.is_dir():
    os.environ["KMETA_DATA"] = str(_BESIDE)
