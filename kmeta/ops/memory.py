"""The external memory of Memory-Augmented Neural Networks (Santoro et al. 2016, section 3).

A step is: `least_used` slots, `write_weights`, `write`, then `read_weights` and `read` of the
memory as it now is, then `decayed_usage`. There are several heads of reading and writing; head j
has its own key, gate and weights.
"""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.distances import cosine_similarity
from kmeta.ops.shapes import check_shapes

TINY = 1e-24  # the memory starts with rows of length 1e-5 or so, which count as any others


def least_used(usage: Tensor, heads: int) -> Tensor:
    """Mark the least used slots, one for each head (equation 6).

    `w^lu(i) = 1` where `w^u(i) <= m(w^u, n)`, the n-th smallest usage; n is the number of heads.
    Head j takes the j-th least used slot, so that a head's weights have one slot and sum to 1. Of
    equally used slots the first counts as less used. No gradient flows back to `usage`.

    Args:
        usage: `w^u_{t-1}`, `[batch, slots]`.
        heads: n.

    Returns:
        `[batch, heads, slots]` of 0 and 1.

    Example:
        >>> np.array(least_used(np.array([[3.0, 1.0, 2.0]]), 2))
        array([[[0., 1., 0.],
                [0., 0., 1.]]])
    """
    check_shapes(usage=(usage, "batch slots"))
    _, slots = ops.top_k(-ops.stop_gradient(usage), heads)
    return ops.one_hot(slots, usage.shape[-1], dtype=usage.dtype)


def write_weights(gate: Tensor, read: Tensor, least: Tensor) -> Tensor:
    """Write to where was read last, or to what is least used (equation 7).

    `w^w_t = sigmoid(alpha) w^r_{t-1} + (1 - sigmoid(alpha)) w^lu_{t-1}`

    Args:
        gate: alpha, before the sigmoid, `[batch, heads]`.
        read: `w^r_{t-1}`, `[batch, heads, slots]`.
        least: `w^lu_{t-1}`, as `least_used` gives it.

    Returns:
        `[batch, heads, slots]`.

    Example:
        >>> read, least = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 1.0]]])
        >>> np.array(write_weights(np.array([[0.0]]), read, least))
        array([[[0.5, 0.5]]])
    """
    check_shapes(
        gate=(gate, "batch heads"),
        read=(read, "batch heads slots"),
        least=(least, "batch heads slots"),
    )
    share = ops.expand_dims(ops.sigmoid(gate), -1)
    return share * read + (1.0 - share) * least


def write(memory: Tensor, least: Tensor, weights: Tensor, vectors: Tensor) -> Tensor:
    """Erase the least used slot and add to the memory (equation 8).

    `M_t(i) = M_{t-1}(i) + sum_j w^w_{t,j}(i) k_{t,j}`, after the slot that is least used of all,
    that of the first head, is set to zero.

    Args:
        memory: `M_{t-1}`, `[batch, slots, width]`.
        least: `w^lu_{t-1}`, as `least_used` gives it.
        weights: `w^w_t`, `[batch, heads, slots]`.
        vectors: what each head writes, `[batch, heads, width]`; as published its key `k_t`.

    Returns:
        `M_t`, `[batch, slots, width]`.

    Example:
        >>> least, weights = np.array([[[0.0, 1.0]]]), np.array([[[0.5, 0.5]]])
        >>> np.array(write(np.ones((1, 2, 2)), least, weights, np.array([[[2.0, 4.0]]])))
        array([[[2., 3.],
                [1., 2.]]])
    """
    check_shapes(
        memory=(memory, "batch slots width"),
        least=(least, "batch heads slots"),
        weights=(weights, "batch heads slots"),
        vectors=(vectors, "batch heads width"),
    )
    kept = memory * (1.0 - ops.expand_dims(least[:, 0], -1))
    return kept + ops.matmul(ops.swapaxes(weights, -1, -2), vectors)


def read_weights(keys: Tensor, memory: Tensor, scale: float = 1.0) -> Tensor:
    """Address the memory by content (equations 2 and 3): `softmax_i(scale cos(k_t, M_t(i)))`.

    Args:
        keys: `[batch, heads, width]`.
        memory: `M_t`, `[batch, slots, width]`.
        scale: of the cosines; 1 is the published form.

    Returns:
        `w^r_t`, `[batch, heads, slots]`.

    Example:
        >>> memory = np.array([[[2.0, 0.0], [0.0, 1.0]]])
        >>> np.round(read_weights(np.array([[[1.0, 0.0]]]), memory, 3.0), 3)
        array([[[0.953, 0.047]]])
    """
    check_shapes(keys=(keys, "batch heads width"), memory=(memory, "batch slots width"))
    return ops.softmax(scale * cosine_similarity(keys, memory, TINY), axis=-1)


def read(weights: Tensor, memory: Tensor) -> Tensor:
    """`r_t = sum_i w^r_t(i) M_t(i)` (equation 4).

    Args:
        weights: `w^r_t`, `[batch, heads, slots]`.
        memory: `M_t`, `[batch, slots, width]`.

    Returns:
        `[batch, heads, width]`.

    Example:
        >>> np.array(read(np.array([[[0.25, 0.75]]]), np.array([[[4.0, 0.0], [0.0, 4.0]]])))
        array([[[1., 3.]]])
    """
    check_shapes(weights=(weights, "batch heads slots"), memory=(memory, "batch slots width"))
    return ops.matmul(weights, memory)


def decayed_usage(usage: Tensor, read: Tensor, write: Tensor, decay: float) -> Tensor:
    """`w^u_t = decay w^u_{t-1} + sum_j w^r_{t,j} + sum_j w^w_{t,j}` (equation 5).

    Args:
        usage: `w^u_{t-1}`, `[batch, slots]`.
        read, write: `w^r_t` and `w^w_t`, `[batch, heads, slots]`.
        decay: gamma, between 0 and 1.

    Returns:
        `[batch, slots]`.

    Example:
        >>> shares = np.array([[[1.0, 0.0]]])
        >>> np.array(decayed_usage(np.array([[1.0, 1.0]]), shares, shares, 0.5))
        array([[2.5, 0.5]])
    """
    check_shapes(
        usage=(usage, "batch slots"),
        read=(read, "batch heads slots"),
        write=(write, "batch heads slots"),
    )
    return decay * usage + ops.sum(read + write, axis=1)
