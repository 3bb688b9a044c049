import numpy as np
import pytest
from PIL import Image

from kmeta.data.pixels import plain, side_lengths, stack, to_array
from kmeta.edge import pixels as edge_pixels

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


@pytest.mark.parametrize("crop", [None, 0.8, 1.0])
@pytest.mark.parametrize("shape", [(28, 28, 1), (30, 50, 3), (70, 28, 3)])
def test_pictures_are_resized_in_strips_as_pillow_resizes_a_whole(shape, crop, monkeypatch):
    monkeypatch.setattr(edge_pixels, "_STRIP", 500)
    rng = np.random.default_rng(0)
    for size in (shape[:2], (90, 100), (7, 300), (70, 28)):
        image = Image.fromarray(rng.integers(0, 256, (*size, 3), "uint8"))
        image = image.convert("L" if shape[2] == 1 else "RGB")
        array = np.asarray(image).reshape(*size, -1)
        expected = array
        if size != shape[:2] or crop is not None:
            box = edge_pixels.middle(size, shape, crop)
            planes = [Image.fromarray(x.astype("float32")) for x in np.moveaxis(array, -1, 0)]
            planes = [x.resize(shape[1::-1], Image.Resampling.LANCZOS, box) for x in planes]
            expected = np.stack([np.asarray(x) for x in planes], -1).clip(0, 255)
        expected = expected.astype("float32") / np.float32(255)
        found = edge_pixels.fitted(image, shape, crop)
        np.testing.assert_array_equal(found, edge_pixels.resized(array, shape, crop))
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-7)


def test_transparent_pictures_become_white_in_strips(monkeypatch):
    rng = np.random.default_rng(0)
    for mode, channels in {"RGBA": 4, "LA": 2}.items():
        image = Image.fromarray(rng.integers(0, 256, (40, 30, channels), "uint8"), mode)
        whole = edge_pixels.plain(image)
        white = Image.new("RGBA", image.size, "white")
        expected = Image.alpha_composite(white, image.convert("RGBA")).convert(whole.mode)
        with monkeypatch.context() as patch:
            patch.setattr(edge_pixels, "_STRIP", 100)
            for found in (whole, edge_pixels.plain(image)):
                np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
