"""Pictures as they come, to pixels inside a graph, by the rules of `kmeta.data`."""

import math

import tensorflow as tf

from kmeta.exporting import orientation

_GREY = (19595.0, 38470.0, 7471.0)  # 65536 times the shares of red, green, blue; exact in float32


def decodable(image_shape):
    """Whether pictures can become images of a shape: `(height, width, 1 or 3)`."""
    return len(image_shape) == 3 and image_shape[-1] in (1, 3)


def decode(image_bytes, image_shape, crop=None):
    """Float images `[batch, *image_shape]` in [0, 1] of PNG and JPEG files `[batch]`.

    Transparent pixels become white, orientation marks of cameras are applied. Pixels may differ
    from Pillow's by rounding, one in 255, where they are transparent or from JPEG.
    """

    def one(data):
        image = tf.cond(
            tf.io.is_jpeg(data),
            lambda: _opaque(tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")),
            lambda: _png(data),
        )
        image = tf.cast(orientation.upright(image, data), tf.float32)
        alpha = image[..., 3:] / 255.0
        image = tf.round(image[..., :3] * alpha + 255.0 * (1.0 - alpha))
        return fit(image[None], image_shape, crop)[0]

    images = tf.map_fn(one, image_bytes, fn_output_signature=tf.float32)
    return tf.ensure_shape(images, [None, *image_shape])


def fit(images, image_shape, crop=None):
    """Float images `[batch, *image_shape]` in [0, 1] of raw ones of any size.

    images: `[batch, height, width, 1 or 3]`, 0 to 255. They are resized by a Lanczos filter.
    crop: None without regard to proportions, or the share of the shorter side that is taken, in
        the middle; `kmeta.data.pixels.fitted` does the same with Pillow.
    """
    height, width, channels = image_shape
    images = tf.cast(images, tf.float32) * tf.ones([3])  # grey ones get three equal channels
    if channels == 1:
        images = tf.reduce_sum(images * _GREY, axis=-1, keepdims=True)
        images = tf.floor((images + 32768.0) / 65536.0)
    batch, rows, columns = tf.unstack(tf.shape(images)[:3])
    down, across = tf.cast(rows, tf.float32) / height, tf.cast(columns, tf.float32) / width
    if crop is not None:
        down = across = crop * tf.minimum(down, across)
    images = _lanczos(rows, height, down) @ tf.reshape(images, [batch, rows, columns * channels])
    images = tf.reshape(images, [batch, height, columns, channels])
    images = _lanczos(columns, width, across) @ images
    return tf.clip_by_value(tf.ensure_shape(images, [None, *image_shape]), 0.0, 255.0) / 255.0


def _lanczos(given, wanted, scale):
    """`[wanted, given]`: what each pixel along a side takes from each before resizing.

    scale: pixels before for one after; what is beyond `wanted * scale` is cut off on both sides.
    """
    first = (tf.cast(given, tf.float32) - wanted * scale) / 2.0
    centres = first + (tf.range(wanted, dtype=tf.float32) + 0.5) * scale
    places = tf.cast(tf.range(given), tf.float32) + 0.5
    x = (places - centres[:, None]) / tf.maximum(scale, 1.0)
    weights = tf.where(tf.abs(x) < 3.0, _sinc(x) * _sinc(x / 3.0), 0.0)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)


def _sinc(x):
    """`sin(pi x) / (pi x)`."""
    x = math.pi * tf.where(x == 0.0, 1e-4, x)  # so near 0 it is 1 in float32
    return tf.sin(x) / x


def _png(data):
    """Red, green, blue and alpha of a PNG file, uint8.

    Where a file of fewer than 8 bits has no transparency, TensorFlow's alpha is the largest number
    of so many bits, not 255. Of 16-bit grey, numbers that fit into 8 bits are taken as they are.
    """
    head = tf.pad(tf.io.decode_raw(tf.strings.substr(data, 0, 26), tf.uint8), [[0, 26]])
    depth, colours = head[24], head[25]  # of the chunk IHDR
    wide = tf.reduce_all(head[1:4] == (80, 78, 71)) & (depth == 16) & (colours == 0)
    return tf.cond(wide, lambda: _wide(data), lambda: _narrow(data, depth))


def _wide(data):
    grey = tf.cast(tf.io.decode_png(data, channels=1, dtype=tf.uint16), tf.int32)
    grey = tf.where(tf.reduce_max(grey) > 255, grey // 256, grey)
    return _opaque(tf.tile(tf.cast(grey, tf.uint8), [1, 1, 3]))


def _narrow(data, depth):
    image = tf.io.decode_png(data, channels=4)
    filled = tf.bitwise.left_shift(tf.constant(1, tf.uint8), tf.minimum(depth, 7)) - 1
    plain = (depth < 8) & tf.reduce_all(image[..., 3] == filled)
    return tf.where(plain, _opaque(image[..., :3]), image)


def _opaque(image):
    return tf.concat([image, 255 * tf.ones_like(image[..., :1])], axis=-1)
