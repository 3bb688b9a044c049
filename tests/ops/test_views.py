"""Views of pictures against Pillow and by hand."""

import numpy as np
import pytest
from PIL import Image

from kmeta.ops.views import views

IMAGES = np.random.default_rng(0).random((2, 16, 12, 3), dtype="float32")


def enlarged(part, size):
    """A part `[h, w, c]`, cut out before it is enlarged."""
    channels = [
        Image.fromarray(channel).resize(size, Image.Resampling.BILINEAR)
        for channel in np.moveaxis(part, -1, 0)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def test_the_first_is_the_picture_and_the_others_its_corners():
    found = np.asarray(views(IMAGES, 5))
    assert found.shape == (2, 5, 16, 12, 3)
    np.testing.assert_array_equal(found[:, 0], IMAGES)
    for place, (rows, columns) in enumerate(
        [
            (slice(12), slice(9)),
            (slice(4, 16), slice(3, 12)),
            (slice(12), slice(3, 12)),
            (slice(4, 16), slice(9)),
        ],
        start=1,
    ):
        expected = [enlarged(image[rows, columns], (12, 16)) for image in IMAGES]
        np.testing.assert_allclose(found[:, place], expected, atol=1e-6)


def test_fewer_views_are_the_first_ones():
    np.testing.assert_array_equal(views(IMAGES, 2), np.asarray(views(IMAGES, 5))[:, :2])


@pytest.mark.parametrize("count", [0, 6])
def test_wrong_numbers(count):
    with pytest.raises(ValueError, match="Argument `count` must be from 1 to 5"):
        views(IMAGES, count)


def test_ranks_are_checked():
    with pytest.raises(ValueError, match="Expected `images` of shape"):
        views(IMAGES[0], 2)
