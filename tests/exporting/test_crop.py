"""The middle of a photograph, in a graph as in Pillow."""

import numpy as np
import pytest
from PIL import Image

from kmeta.data.pixels import fitted
from kmeta.edge.pixels import middle
from kmeta.exporting import encoded


@pytest.mark.parametrize("crop", [None, 0.875, 1.0, 0.3])
@pytest.mark.parametrize("size", [(40, 30), (31, 97), (16, 24), (7, 5)])
def test_graph_and_pillow_take_the_same_pixels(size, crop):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype("uint8")
    for shape in ((16, 24, 3), (16, 16, 1)):
        expected = fitted(Image.fromarray(pixels), shape, crop)
        found = encoded.fit(pixels[None], shape, crop)[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_proportions_are_kept_and_the_border_is_left_out():
    """A disc stays a disc; squashing makes an ellipse of it."""
    rows, columns = np.mgrid[:60, :120]
    disc = np.uint8(255 * ((rows - 29.5) ** 2 + (columns - 59.5) ** 2 < 18**2))
    kept = fitted(Image.fromarray(disc), (30, 30, 1), 0.875)[..., 0] > 0.5
    squashed = fitted(Image.fromarray(disc), (30, 30, 1))[..., 0] > 0.5
    assert abs(kept.any(0).sum() - kept.any(1).sum()) <= 1
    assert squashed.any(1).sum() >= 1.7 * squashed.any(0).sum()
    assert kept.any(1).sum() == pytest.approx(36 * 30 / (60 * 0.875), abs=1)
    assert middle((60, 120), (30, 30), 0.875) == (33.75, 3.75, 86.25, 56.25)
