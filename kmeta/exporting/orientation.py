"""The orientation mark of cameras in JPEG and PNG files, read and applied inside a graph.

Exif 2.32, sections 4.5.2 and 4.6: a TIFF header follows `Exif\\0\\0`, in PNG the name of the chunk
`eXIf`, and entry 0x0112 of its first directory tells how the picture was held.
"""

import functools

import numpy as np
import tensorflow as tf

_ENTRIES, _ENTRY = 64, 12  # of a directory: how many are looked at, bytes of each
_TAG = 0x0112
_SHORT, _LONG = 3, 4  # kinds of entries
_LEFT_RIGHT, _UP_DOWN = (2, 3, 6, 7), (3, 4, 7, 8)  # marks under which a picture is flipped


def upright(image, data):
    """A decoded picture `[height, width, channels]` as its file `data` says it was held."""
    mark = find(data)
    image = tf.cond(mark > 4, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    for axis, marks in ((1, _LEFT_RIGHT), (0, _UP_DOWN)):
        flip = tf.reduce_any(tf.equal(mark, marks))
        image = tf.where(flip, tf.reverse(image, [axis]), image)
    return image


def find(data):
    """The mark of a file, int32 from 1 (upright) to 8; 1 where there is none."""
    raw = tf.io.decode_raw(data, tf.uint8)
    size = tf.size(raw, tf.int64)
    raw = tf.pad(raw, [[0, 1]])

    def read(places, count):
        """`[..., count]` bytes from each place on, int64; 0 beyond the end."""
        places = tf.expand_dims(places, -1) + tf.range(count, dtype=tf.int64)
        return tf.cast(tf.gather(raw, tf.minimum(places, size)), tf.int64)

    def number(places, count, little=False):
        """Numbers of some bytes, of which the first one counts most unless `little`."""
        powers = 256 ** np.arange(count)
        return tf.reduce_sum(read(places, count) * tf.where(little, powers, powers[::-1]), -1)

    def spells(name, place):
        return tf.reduce_all(read(place, len(name)) == list(name))

    tiff = tf.cond(
        tf.io.is_jpeg(data),
        lambda: _in_jpeg(number, spells, size),
        lambda: _in_png(number, spells, size),
    )
    value = functools.partial(number, little=number(tiff, 1) == ord("I"))
    directory = tf.minimum(tiff + value(tiff + 4, 4), size)
    entries = directory + 2 + _ENTRY * tf.range(_ENTRIES, dtype=tf.int64)
    known = tf.range(_ENTRIES, dtype=tf.int64) < value(directory, 2)
    known &= (value(entries, 2) == _TAG) & (value(entries + 4, 4) == 1)
    kind = value(entries + 2, 2)
    mark = tf.where(kind == _SHORT, value(entries + 8, 2), 0)
    mark = tf.where(kind == _LONG, value(entries + 8, 4), mark)
    mark = tf.reduce_max(tf.where(known, mark, 0))
    return tf.cast(tf.where((mark >= 1) & (mark <= 8), mark, 1), tf.int32)


def _in_jpeg(number, spells, size):
    """Where the TIFF header of the Exif segment stands: segments from the first to the pixels'."""

    def found(place):
        return (number(place + 1, 1) == 0xE1) & spells(b"Exif\0\0", place + 4)

    def goes_on(place):
        return (number(place, 1) == 0xFF) & (number(place + 1, 1) != 0xDA) & ~found(place)

    def following(place):
        filled = number(place + 1, 1) == 0xFF  # by bytes before a segment
        return (tf.where(filled, place + 1, place + 2 + number(place + 2, 2)),)

    (place,) = tf.while_loop(goes_on, following, (tf.constant(2, tf.int64),))
    return tf.where(found(place), place + 10, size)


def _in_png(number, spells, size):
    """Where the TIFF header of the chunk eXIf stands."""

    def goes_on(place):
        return (place < size) & ~spells(b"eXIf", place + 4)

    def following(place):
        return (place + 12 + number(place, 4),)

    (place,) = tf.while_loop(goes_on, following, (tf.constant(8, tf.int64),))
    return tf.minimum(place + 8, size)
