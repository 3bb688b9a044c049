"""Small affine distortions of images: Koch et al. (2015, section 3.2), Santoro et al. (2016)."""

from typing import NamedTuple

import numpy as np

PARTS = 7  # of a distortion: angle, two shears, two scales, two shifts
NUMBERS = 2 * PARTS  # random numbers that one distortion takes
PUBLISHED_SIDE = 105


class Affine(NamedTuple):
    """Distortions, one a row; angle 0, shears 0, scales 1, shifts 0 leave an image as it is.

    angle: `[n]` degrees, anticlockwise. shear, scale: `[n, 2]`, along x and y.
    shift: `[n, 2]` along x and y, as a share of the image's side.
    """

    angle: np.ndarray
    shear: np.ndarray
    scale: np.ndarray
    shift: np.ndarray


def draw_affine(numbers):
    """Return the published `Affine`s of random numbers `[n, 14]`, uniform in [0, 1).

    Each of the seven parts is there with probability 0.5: angle in [-10, 10] degrees, shears in
    [-0.3, 0.3], scales in [0.8, 1.2], shifts of up to 2 pixels of 105 either way.
    """
    there, value = numbers[:, :PARTS] < 0.5, numbers[:, PARTS:] * 2 - 1
    value = np.where(there, value, 0.0)
    return Affine(
        angle=10 * value[:, 0],
        shear=0.3 * value[:, 1:3],
        scale=1 + 0.2 * value[:, 3:5],
        shift=2 / PUBLISHED_SIDE * value[:, 5:7],
    )


def draw_turn_and_shift(numbers):
    """Return the `Affine`s of Santoro et al. (2016) of random numbers `[n, 3]`, uniform in [0, 1).

    Angles in [-pi/16, pi/16], shifts of up to 10 pixels of 105 either way.
    """
    value = numbers * 2 - 1
    return Affine(
        angle=180 / 16 * value[:, 0],
        shear=np.zeros((len(value), 2)),
        scale=np.ones((len(value), 2)),
        shift=10 / PUBLISHED_SIDE * value[:, 1:],
    )


def distort(images, affine):
    """Return images moved by `affine` about their centres: scaled, then sheared, turned, shifted.

    images: float32 `[n, h, w, c]`. Between pixels they are interpolated (bilinear), beyond the
    border they go on as at the border.
    """
    count, height, width, channels = images.shape
    y, x = np.mgrid[:height, :width].reshape(2, -1).astype(np.float32)
    last = np.float32([width - 1, height - 1])
    shift = (affine.shift * [width, height]).astype(np.float32)
    outwards = np.stack([x, y], axis=-1) - last / 2
    back = np.linalg.inv(_matrices(affine)).astype(np.float32)
    source = (outwards - shift[:, None]) @ back.transpose(0, 2, 1) + last / 2
    source = np.clip(source, 0, last)

    corner = np.minimum(np.floor(source), np.maximum(last - 1, 0))
    right, down = np.split(source - corner, 2, axis=-1)
    corner = corner.astype(np.int64)
    start = np.arange(count)[:, None] * (height * width) + corner[..., 1] * width + corner[..., 0]
    pixels = images.reshape(-1, channels)
    along, below = int(width > 1), width * int(height > 1)
    top = pixels[start] * (1 - right) + pixels[start + along] * right
    bottom = pixels[start + below] * (1 - right) + pixels[start + below + along] * right
    return (top * (1 - down) + bottom * down).reshape(images.shape)


def _matrices(affine):
    """`R(angle) [[1, shear_x], [shear_y, 1]] diag(scale)`, `[n, 2, 2]`, y pointing down."""
    turn = np.radians(affine.angle)
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)
    one = np.ones_like(turn)
    shear = np.array([[one, affine.shear[:, 0]], [affine.shear[:, 1], one]]).transpose(2, 0, 1)
    return rotation @ shear * affine.scale[:, None, :]
