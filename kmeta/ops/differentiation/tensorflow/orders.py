"""Random orders and seeds that are the same on every device and backend."""

from typing import Any

import tensorflow as tf

from kmeta.episode import Tensor


def shuffles(seed: Tensor, number: Tensor, items: int, length: int, counted: Any = None) -> Tensor:
    """The first `length` integers of a row of random orders of 0 to `items - 1`.

    Args:
        seed, number: whole numbers; each pair gives another row, and always the same one, on
            every device. Negative numbers are allowed as `number`.
        items: how many are put in order; each appears once before any appears again.
        length: of the result.
        counted: `[items]`, 0 for an item that is left out, not for all. None: none is.

    Example:
        >>> shuffles(0, 7, items=4, length=8).numpy()
        array([3, 0, 1, 2, 1, 3, 2, 0], dtype=int32)
    """
    counted = tf.ones(items) if counted is None else counted
    keys = _mixed(_mixed(tf.cast(seed, tf.uint32)) + tf.cast(tf.cast(number, tf.int32), tf.uint32))
    keys = _mixed(keys + tf.cast(tf.range(length * items), tf.uint32))
    keys = tf.cast(tf.reshape(keys, [length, items]), tf.int64)  # orders enough for a single item
    keys = tf.where(counted > 0, keys, 1 << 32)  # behind all others
    order = tf.argsort(keys, axis=-1, stable=True)
    count = tf.maximum(tf.math.count_nonzero(counted, dtype=tf.int32), 1)
    place = tf.range(length)
    return tf.gather_nd(order, tf.stack([place // count, place % count], axis=-1))


def task_seeds(seed: Tensor, tasks: int) -> Tensor:
    """A seed for each task, all of them different, so that no task shares another's dropout.

    Args:
        seed: `[2]` integers, the value of the state of a `keras.random.SeedGenerator`.
        tasks: how many.

    Returns:
        `[tasks, 2]`, of the kind of `seed`.

    Example:
        >>> task_seeds(tf.constant([3, 0], tf.int64), 2).numpy()
        array([[1408362973,          0],
               [3648937681,          0]])
    """
    first = _mixed(tf.cast(seed[0], tf.uint32) + tf.cast(tf.range(tasks), tf.uint32))
    second = tf.broadcast_to(_mixed(tf.cast(seed[1], tf.uint32)), tf.shape(first))
    return tf.cast(tf.stack([first, second], axis=-1), seed.dtype)


def _mixed(x):
    """A one-to-one hash of 32 bits: TensorFlow's own random numbers differ under XLA."""
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))
    x *= tf.constant(0x7FEB352D, tf.uint32)
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(15, tf.uint32)))
    x *= tf.constant(0x846CA68B, tf.uint32)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))
