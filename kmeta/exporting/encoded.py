"""Encoded pictures to pixels inside a graph, as `kmeta.data` reads picture files."""

import tensorflow as tf

_GREY = (0.299, 0.587, 0.114)


def decodable(image_shape):
    """Whether pictures can become images of a shape: `(height, width, 1 or 3)`."""
    return len(image_shape) == 3 and image_shape[-1] in (1, 3)


def decode(image_bytes, image_shape):
    """Float images `[batch, *image_shape]` in [0, 1] of PNG and JPEG files `[batch]`.

    Other sizes are resized by a Lanczos filter without regard to proportions, transparent pixels
    become white. Pixels may differ from Pillow's by rounding, one or two in 255.
    """
    height, width, channels = image_shape

    def one(data):
        image = tf.cond(
            tf.io.is_jpeg(data),
            lambda: _opaque(tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")),
            lambda: tf.io.decode_png(data, channels=4),
        )
        image = tf.cast(image, tf.float32)
        alpha = image[..., 3:] / 255.0
        image = tf.round(image[..., :3] * alpha + 255.0 * (1.0 - alpha))
        if channels == 1:
            image = tf.round(tf.reduce_sum(image * _GREY, axis=-1, keepdims=True))
        resized = tf.image.resize(
            image, (height, width), tf.image.ResizeMethod.LANCZOS3, False, True
        )
        return tf.clip_by_value(tf.round(resized), 0.0, 255.0) / 255.0

    images = tf.map_fn(one, image_bytes, fn_output_signature=tf.float32)
    return tf.ensure_shape(images, [None, *image_shape])


def _opaque(image):
    return tf.concat([image, 255 * tf.ones_like(image[..., :1])], axis=-1)
