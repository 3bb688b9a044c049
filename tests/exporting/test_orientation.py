"""Marks of cameras as Pillow reads them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kmeta.exporting import encoded, orientation

PIXELS = np.kron(np.arange(6).reshape(2, 3) * 40, np.ones((8, 8))).astype("uint8")


def jpeg(mark=None, endian="<", kind="JPEG", **others):
    exif = Image.Exif()
    exif.endian = endian
    for tag, value in others.items():
        exif[int(tag[1:])] = value
    if mark is not None:
        exif[0x0112] = mark
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, quality=95, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("mark", range(1, 9))
def test_every_mark(mark, endian):
    data = jpeg(mark, endian, _271="a maker", _272="a model", _305="software")
    assert int(orientation.find(data)) == mark
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    found = encoded.decode(tf.constant([data]), (upright.height, upright.width, 1))[0]
    np.testing.assert_allclose(found[..., 0] * 255, np.asarray(upright), atol=1.01)


@pytest.mark.parametrize("mark", range(1, 9))
def test_marks_in_png(mark):
    data = jpeg(mark, kind="PNG")
    assert int(orientation.find(data)) == mark
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    found = encoded.decode(tf.constant([data]), (upright.height, upright.width, 1))[0]
    np.testing.assert_allclose(found[..., 0] * 255, np.asarray(upright), atol=1e-3)


def test_no_mark_a_wrong_one_and_a_file_that_ends_early():
    assert int(orientation.find(jpeg())) == 1
    assert int(orientation.find(jpeg(9))) == 1
    data = jpeg(6)
    start = data.index(b"Exif")
    for size in (start + 3, start + 8, start + 14, start + 20):
        assert int(orientation.find(data[:size])) == 1
    assert int(orientation.find(b"")) == 1
    far = (
        data[: start + 10] + b"\xff\xff\xff\xff" + data[start + 14 :]
    )  # a directory beyond the end
    assert int(orientation.find(far)) == 1
