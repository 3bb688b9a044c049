"""What every test may rely on: quiet TensorFlow, and real data where a checkout has them."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_BESIDE = Path(__file__).parents[2] / "shared" / "data"
if "KMETA_DATA" not in os.environ and _BESIDE.is_dir():
    os.environ["KMETA_DATA"] = str(_BESIDE)


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
