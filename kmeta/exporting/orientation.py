"""The orientation mark of cameras in JPEG and PNG files, read and applied inside a graph.

Exif 2.32, sections 4.5.2 and 4.6: a TIFF header follows `Exif\\0\\0`, in PNG the name of the chunk
`eXIf`, and entry 0x0112 of its first directory tells how the picture was held.
"""

import tensorflow as tf

_SEARCHED = 65536  # bytes from the start of a file; the mark lies in the first segments
_ENTRIES, _ENTRY = 64, 12  # of a directory: how many are looked at, bytes of each
_TAG = 0x0112
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
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, _SEARCHED), tf.uint8), tf.int32)
    size = tf.size(head)
    head = tf.pad(head, [[0, 2 + _ENTRY * _ENTRIES]])

    def after(name):
        """The place after a name; beyond the end where it does not occur."""
        found = tf.reduce_all([head[i : i + size] == byte for i, byte in enumerate(name)], axis=0)
        return tf.argmax(tf.concat([found, [True]], 0), output_type=tf.int32) + len(name)

    tiff = tf.cond(tf.io.is_jpeg(data), lambda: after(b"Exif\0\0"), lambda: after(b"eXIf"))
    little = head[tiff] == ord("I")

    def number(places):
        """Numbers of two bytes at some places; 0 beyond the end."""
        first, second = (tf.gather(head, tf.minimum(p, size)) for p in (places, places + 1))
        return tf.where(little, first + 256 * second, 256 * first + second)

    offset = tf.where(little, number(tiff + 4), number(tiff + 6))  # less than 65536
    directory = tf.minimum(tiff + offset, size)
    entries = directory + 2 + _ENTRY * tf.range(_ENTRIES)
    known = (number(entries) == _TAG) & (tf.range(_ENTRIES) < number(directory))
    mark = tf.reduce_max(tf.where(known, number(entries + 8), 0))
    return tf.where((mark >= 1) & (mark <= 8), mark, 1)
