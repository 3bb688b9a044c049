"""Distances and similarities between embedded queries and embedded support items or prototypes."""

import keras
from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_shapes


def squared_euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distance, `d(a, b) = sum_k (a_k - b_k)^2` (Snell et al. 2017, section 2.4).

    Written as `|a|^2 - 2 a.b + |b|^2` after both sides are moved by the mean of `b`, which leaves
    the distance as it is and keeps rounding errors small when points lie far from the origin.

    Args:
        a: `[..., n, features]`.
        b: `[..., m, features]`.

    Returns:
        `[..., n, m]` distances, zero or greater up to rounding.

    Raises:
        ValueError: if feature counts differ, or a tensor is no more than a vector.

    Example:
        >>> np.array(squared_euclidean(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [1.0, 0.0]])))
        array([[25.,  1.]])
    """
    check_shapes(a=(a, "... n features"), b=(b, "... m features"))
    centre = ops.mean(b, axis=-2, keepdims=True)
    a, b = a - centre, b - centre
    a_norm = ops.sum(ops.square(a), axis=-1, keepdims=True)
    b_norm = ops.expand_dims(ops.sum(ops.square(b), axis=-1), -2)
    return a_norm - 2.0 * ops.matmul(a, ops.swapaxes(b, -1, -2)) + b_norm


def unit_vectors(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    """`x / sqrt(sum x^2 + epsilon)` over the last axis; its gradient is finite at 0 too.

    Args:
        x: `[..., features]`.
        epsilon: bounds the gradient.

    Returns:
        `[..., features]`, of length 1.

    Example:
        >>> np.array(unit_vectors(np.array([[3.0, 4.0]])))
        array([[0.6, 0.8]])
    """
    check_shapes(x=(x, "... features"))
    wide = _single(x)  # in half precision `epsilon` would be 0, and a vector of zeros no number
    lengths = ops.rsqrt(ops.sum(ops.square(wide), axis=-1, keepdims=True) + epsilon)
    return wide * lengths if wide is x else ops.cast(wide * lengths, x.dtype)


def cosine_similarity(a: Tensor, b: Tensor, epsilon: float = 1e-12) -> Tensor:
    """Cosine of the angle between vectors, in [-1, 1] (Vinyals et al. 2016, section 2.1.1).

    Args:
        a: `[..., n, features]`.
        b: `[..., m, features]`.
        epsilon: added to squared lengths; it bounds the gradient at a vector of zeros.

    Returns:
        `[..., n, m]`; 0 where a vector is all zeros.

    Raises:
        ValueError: if feature counts differ, or a tensor is no more than a vector.

    Example:
        >>> b = np.array([[2.0, 0.0], [0.0, 1.0]])
        >>> np.round(cosine_similarity(np.array([[1.0, 0.0]]), b), 3)
        array([[1., 0.]])
    """
    check_shapes(a=(a, "... n features"), b=(b, "... m features"))
    wide = _single(b)
    lengths = ops.expand_dims(ops.rsqrt(ops.sum(ops.square(wide), axis=-1) + epsilon), -2)
    cosines = ops.matmul(unit_vectors(_single(a), epsilon), ops.swapaxes(wide, -1, -2)) * lengths
    return cosines if wide is b else ops.cast(cosines, b.dtype)


def _single(x):
    """A tensor of half precision in single precision; any other as it is."""
    is_half = keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
    return ops.cast(x, "float32") if is_half else x
