"""Marks of cameras as Pillow reads them."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kmeta.edge.decoding import decode
from kmeta.edge.pixels import fitted, plain
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


def tiff(kind):
    value = struct.pack(">HH", 6, 0) if kind == 3 else struct.pack(">I", 6)
    return (
        b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHI", 0x112, kind, 1) + value + bytes(4)
    )


def with_segments(*segments):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", quality=95)
    parts = (bytes([0xFF, m]) + struct.pack(">H", len(x) + 2) + x for m, x in segments)
    return buffer.getvalue()[:2] + b"".join(parts) + buffer.getvalue()[2:]


def with_chunks(*, before=b"", after=b""):
    """A large PNG with chunks before and after its pixels."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (300, 400), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + before + data[33:-12] + after + data[-12:]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
EXIF = b"Exif\0\0" + tiff(3)
PROFILE = [(0xE2, b"ICC_PROFILE\0" + bytes([i, 3]) + bytes(60000)) for i in (1, 2, 3)]
HEX = f"\nexif\n{len(EXIF):8}\n{EXIF.hex()}\n".encode()


@pytest.mark.parametrize(
    ("data", "mark"),
    [
        (with_segments((0xE1, b"Exif\0\0" + tiff(4))), 6),
        (with_segments(*PROFILE, (0xE1, EXIF)), 6),
        (with_segments((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)), 1),
        (with_segments((0xFE, EXIF)), 1),
        (with_chunks(before=chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP)), 1),
        (
            with_chunks(
                before=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(HEX)),
            ),
            1,
        ),
        (with_chunks(after=chunk(b"eXIf", tiff(3))), 6),
    ],
    ids=["long", "late", "xmp", "comment", "xmp in png", "raw profile", "after the pixels"],
)
def test_python_and_graphs_turn_the_same_files(data, mark):
    """By the Exif block, wherever it stands, and by nothing else."""
    assert int(orientation.find(data)) == mark
    image = decode(data, "x")
    shape = (image.height, image.width, 1)
    found = encoded.decode(tf.constant([data]), shape)[0].numpy()
    np.testing.assert_allclose(found, fitted(plain(image), shape), atol=1.01 / 255)
