import numpy as np
import pytest

from kmeta.data.distortions import PARTS, Affine, distort, draw_affine

rng = np.random.default_rng(3)
STAY = {"angle": [0.0], "shear": [[0.0, 0.0]], "scale": [[1.0, 1.0]], "shift": [[0.0, 0.0]]}


def affine(**parts):
    return Affine(**{name: np.array(value) for name, value in {**STAY, **parts}.items()})


def test_parts_keep_the_published_bounds_and_are_there_half_the_time():
    drawn = draw_affine(rng.random((20_000, 14)))
    for values, neutral, bound in (
        (drawn.angle, 0, 10),
        *((drawn.shear[:, i], 0, 0.3) for i in range(2)),
        *((drawn.scale[:, i], 1, 0.2) for i in range(2)),
        *((drawn.shift[:, i], 0, 2 / 105) for i in range(2)),
    ):
        offsets = values - neutral
        there = offsets != 0
        assert np.mean(there) == pytest.approx(0.5, abs=0.02)
        assert 0.99 * bound < np.abs(offsets).max() <= bound * (1 + 1e-9)
        assert np.mean(np.abs(offsets[there])) == pytest.approx(bound / 2, rel=0.03)  # uniform
        assert abs(np.mean(offsets[there])) < 0.03 * bound
    present = np.stack([drawn.angle != 0, drawn.shear[:, 0] != 0, drawn.shift[:, 1] != 0])
    assert np.abs(np.corrcoef(present) - np.eye(3)).max() < 0.03  # independent of each other


def test_absent_parts_leave_the_image_alone():
    images = rng.random((3, 9, 8, 2)).astype("float32")
    numbers = np.full((3, 14), 0.9)
    numbers[:, :PARTS] = 0.5
    np.testing.assert_allclose(distort(images, draw_affine(numbers)), images, atol=1e-6)


def test_shift_moves_right_and_down_and_borders_go_on():
    image = rng.random((1, 4, 5, 1)).astype("float32")
    moved = distort(image, affine(shift=[[1 / 5, 0]]))
    np.testing.assert_allclose(moved[0, :, 1:], image[0, :, :-1], atol=1e-5)
    np.testing.assert_allclose(moved[0, :, 0], image[0, :, 0], atol=1e-5)
    moved = distort(image, affine(shift=[[0, 0.5 / 4]]))
    np.testing.assert_allclose(moved[0, 1:], (image[0, 1:] + image[0, :-1]) / 2, atol=1e-5)


def test_angle_turns_anticlockwise():
    image = rng.random((1, 6, 6, 3)).astype("float32")
    turned = distort(image, affine(angle=[90.0]))
    np.testing.assert_allclose(turned, np.rot90(image, axes=(1, 2)), atol=1e-5)


def test_every_part_in_a_loop_over_pixels():
    images = rng.random((2, 7, 6, 1)).astype("float32")
    parts = affine(
        angle=[8.0, -5.0], shear=[[0.2, -0.1], [0.0, 0.3]], scale=[[0.9, 1.2], [0.8, 1.0]],
        shift=[[0.1, -0.05], [0.0, 0.2]],
    )  # fmt: skip
    expected = np.zeros_like(images)
    for n in range(2):
        t = np.radians(parts.angle[n])
        turn = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
        slant = np.array([[1, parts.shear[n, 0]], [parts.shear[n, 1], 1]])
        matrix = turn @ slant @ np.diag(parts.scale[n])
        for row in range(7):
            for column in range(6):
                out = np.array([column - 2.5, row - 3.0]) - parts.shift[n] * [6, 7]
                x, y = np.linalg.solve(matrix, out) + [2.5, 3.0]
                x, y = np.clip(x, 0, 5), np.clip(y, 0, 6)
                i, j = min(int(y), 5), min(int(x), 4)
                v, u = y - i, x - j
                expected[n, row, column] = (
                    images[n, i, j] * (1 - v) * (1 - u) + images[n, i, j + 1] * (1 - v) * u
                    + images[n, i + 1, j] * v * (1 - u) + images[n, i + 1, j + 1] * v * u
                )  # fmt: skip
    result = distort(images, parts)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_one_row_or_column():
    images = rng.random((1, 1, 4, 1)).astype("float32")
    np.testing.assert_allclose(distort(images, affine(scale=[[1.0, 1.2]])), images, atol=1e-6)
