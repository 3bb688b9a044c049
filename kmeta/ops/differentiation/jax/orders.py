"""Random orders and seeds that are the same on every device and backend."""

from typing import Any

from jax import numpy as jnp

from kmeta.episode import Tensor


def shuffles(seed: Tensor, number: Tensor, items: int, length: int, counted: Any = None) -> Tensor:
    """The first `length` integers of a row of random orders; TensorFlow's version has the same."""
    counted = jnp.ones(items) if counted is None else counted
    keys = _mixed(_mixed(jnp.uint32(seed)) + jnp.asarray(number, "int32").astype("uint32"))
    keys = _mixed(keys + jnp.arange(length * items, dtype="uint32")).reshape(length, items)
    left_out = jnp.broadcast_to(counted <= 0, keys.shape)
    order = jnp.lexsort((keys, left_out), axis=-1).astype("int32")
    count = jnp.maximum(jnp.count_nonzero(counted), 1)
    place = jnp.arange(length)
    return order[place // count, place % count]


def task_seeds(seed: Tensor, tasks: int) -> Tensor:
    """A seed for each task, `[tasks, 2]`, all of them different."""
    first = _mixed(seed[0].astype("uint32") + jnp.arange(tasks, dtype="uint32"))
    second = jnp.broadcast_to(_mixed(seed[1].astype("uint32")), first.shape)
    return jnp.stack([first, second], axis=-1).astype(seed.dtype)


def _mixed(x):
    """A one-to-one hash of 32 bits."""
    x = jnp.bitwise_xor(x, jnp.right_shift(x, jnp.uint32(16))) * jnp.uint32(0x7FEB352D)
    x = jnp.bitwise_xor(x, jnp.right_shift(x, jnp.uint32(15))) * jnp.uint32(0x846CA68B)
    return jnp.bitwise_xor(x, jnp.right_shift(x, jnp.uint32(16)))
