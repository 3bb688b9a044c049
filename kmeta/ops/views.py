"""Further looks at a picture: its corners, enlarged."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_shapes

SHARE = 0.75  # of each side that a corner has
MOST = 5  # the whole picture, and its corners


def views(images: Tensor, count: int) -> Tensor:
    """Each picture as a whole, and `count - 1` of its corners at the same size.

    A corner has three quarters of each side. Corners are enlarged linearly between the centres of
    pixels, so views of pixels in [0, 1] are in [0, 1]. Made of slices and matrix products alone,
    the same in every runtime.

    Args:
        images: `[items, height, width, channels]` of known height and width.
        count: 1 to 5; corners in the order upper left, lower right, upper right, lower left.

    Returns:
        `[items, count, height, width, channels]`.

    Raises:
        ValueError: if `images` has another rank, or `count` is out of range.

    >>> looks = np.array(views(np.arange(16, dtype="float32").reshape(1, 4, 4, 1), 3))
    >>> looks.shape, looks[0, 1, 0, :, 0].tolist(), looks[0, 2, 3, :, 0].tolist()
    ((1, 3, 4, 4, 1), [0.0, 0.625, 1.375, 2.0], [13.0, 13.625, 14.375, 15.0])
    """
    check_shapes(images=(images, "items height width channels"))
    if count not in range(1, MOST + 1):
        raise ValueError(f"Argument `count` must be from 1 to {MOST}. Received: count={count!r}")
    height, width, channels = images.shape[1:]
    rows, columns = round(SHARE * height), round(SHARE * width)
    down, across = (_enlarging(*sides) for sides in ((rows, height), (columns, width)))
    down, across = ops.cast(down, images.dtype), ops.cast(across, images.dtype)
    found = [images]
    for low, right in ((False, False), (True, True), (False, True), (True, False)):
        part = images[:, height - rows :] if low else images[:, :rows]
        part = part[:, :, width - columns :] if right else part[:, :, :columns]
        part = ops.matmul(down, ops.reshape(part, (-1, rows, columns * channels)))
        part = ops.reshape(part, (-1, height, columns, channels))
        found.append(ops.matmul(across, part))
    return ops.stack(found[:count], axis=1)


def _enlarging(given: int, wanted: int) -> Tensor:
    """`[wanted, given]`: what each pixel along a side takes from each of fewer ones."""
    places = (ops.arange(wanted, dtype="float32") + 0.5) * (given / wanted) - 0.5
    places = ops.clip(places, 0.0, given - 1.0)
    apart = ops.abs(ops.expand_dims(places, 1) - ops.arange(given, dtype="float32"))
    return ops.maximum(1.0 - apart, 0.0)
