import numpy as np
import pytest
from PIL import Image

from kmeta.data.pixels import plain, side_lengths, stack, to_array

RGB = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def test_plain_keeps_grey_and_colour():
    np.testing.assert_array_equal(np.asarray(plain(Image.fromarray(RGB))), RGB)
    np.testing.assert_array_equal(np.asarray(plain(Image.fromarray(GREY))), GREY)
    bits = plain(Image.fromarray(GREY > 99))
    assert bits.mode == "L"
    np.testing.assert_array_equal(np.asarray(bits), np.where(GREY > 99, 255, 0))


def test_transparent_pixels_become_white():
    alpha = np.where(np.arange(24).reshape(6, 4, 1) % 2, 255, 0).astype(np.uint8)
    pixels = np.asarray(plain(Image.fromarray(np.concatenate([RGB, alpha], axis=2))))
    np.testing.assert_array_equal(pixels, np.where(alpha == 0, 255, RGB))
    image = plain(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha[..., 0])]))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), np.where(alpha[..., 0] == 0, 255, GREY))


def test_palettes_become_colours():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    assert np.asarray(plain(image)).tolist() == [
        [[10, 20, 30], [40, 50, 60]],
        [[70, 80, 90], [40, 50, 60]],
    ]
    image.info["transparency"] = 1
    assert np.asarray(plain(image))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_sixteen_bits_become_eight():
    deep = Image.fromarray(np.array([[0, 256], [32768, 65535]], np.uint16))
    assert np.asarray(plain(deep)).tolist() == [[0, 1], [128, 255]]


def test_cmyk_becomes_rgb():
    assert np.asarray(plain(Image.new("CMYK", (1, 1), (0, 255, 255, 0)))).tolist() == [
        [[255, 0, 0]]
    ]


def test_to_array_channels_and_size():
    assert to_array(Image.fromarray(RGB)).shape == (6, 4, 3)
    assert to_array(Image.fromarray(GREY)).shape == (6, 4, 1)
    luma = np.asarray(Image.fromarray(RGB).convert("L"))
    np.testing.assert_array_equal(to_array(Image.fromarray(RGB), channels=1)[..., 0], luma)
    np.testing.assert_array_equal(
        to_array(Image.fromarray(GREY), channels=3), np.repeat(GREY[..., None], 3, axis=2)
    )
    assert to_array(Image.fromarray(RGB), size=(8, 3)).shape == (8, 3, 3)
    flat = to_array(Image.new("RGB", (9, 9), (7, 8, 9)), size=(2, 5))
    np.testing.assert_array_equal(flat, np.broadcast_to([7, 8, 9], (2, 5, 3)))


def test_stack_makes_grey_ones_colour_where_any_is():
    grey, colour = GREY[..., None], RGB
    np.testing.assert_array_equal(stack([grey, grey], "ab"), np.stack([grey, grey]))
    mixed = stack([grey, colour], "ab")
    np.testing.assert_array_equal(mixed[0], np.repeat(grey, 3, axis=2))
    np.testing.assert_array_equal(mixed[1], colour)


def test_stack_refuses_different_sizes():
    with pytest.raises(
        ValueError, match=r"pass `size`.*\(6, 4\) of one.png and \(5, 4\) of two.png"
    ):
        stack([RGB, RGB[:5]], ["one.png", "two.png"])


def test_side_lengths():
    assert side_lengths(None) is None
    assert side_lengths(28) == (28, 28)
    assert side_lengths((20, 30)) == (20, 30)
    for wrong in (0, "28", (1, 2, 3), (0, 5), 2.5):
        with pytest.raises(ValueError, match="`size` must be a positive integer"):
            side_lengths(wrong)
