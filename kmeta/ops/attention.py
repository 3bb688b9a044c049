"""Attention over support sets."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.padding import valid_items
from kmeta.ops.shapes import check_shapes

_NEVER = -1e9  # a similarity whose weight after a softmax is zero


def masked_softmax(scores: Tensor, valid: Tensor) -> Tensor:
    """Softmax over the last axis, with no weight where `valid` is False.

    Args:
        scores: `[..., items]`.
        valid: booleans of a shape that broadcasts to that of `scores`.

    Returns:
        `[..., items]`, rows that sum to 1.

    Example:
        >>> valid = np.array([[True, True, False]])
        >>> np.round(masked_softmax(np.array([[1.0, 1.0, 9.0]]), valid), 2)
        array([[0.5, 0.5, 0. ]])
    """
    check_shapes(scores=(scores, "... items"), valid=(valid, "... items"))
    return ops.softmax(ops.where(valid, scores, _NEVER), axis=-1)


def attention_read(queries: Tensor, memory: Tensor, valid: Tensor) -> Tensor:
    """Read a memory by the softmax of dot products (Vinyals et al. 2016, appendix A.1).

    `r = sum_i a_i g_i`, `a = softmax_i(h . g_i)`

    Args:
        queries: `[tasks, queries, features]`.
        memory: `[tasks, items, features]`.
        valid: `[tasks, items]` booleans; other items have no weight.

    Returns:
        `[tasks, queries, features]`.

    Example:
        >>> memory = np.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> np.round(attention_read(np.array([[[2.0, 0.0]]]), memory, np.array([[True, True]])), 3)
        array([[[0.881, 0.119]]])
    """
    check_shapes(
        queries=(queries, "tasks queries features"),
        memory=(memory, "tasks items features"),
        valid=(valid, "tasks items"),
    )
    scores = ops.matmul(queries, ops.swapaxes(memory, -1, -2))
    return ops.matmul(masked_softmax(scores, valid[:, None]), memory)


def label_log_probabilities(similarities: Tensor, labels: Tensor) -> Tensor:
    """Log of the sum of attention over each class (Vinyals et al. 2016, equations 1 and 2).

    `P(y = c | x, S) = sum_i a(x, x_i) y_ic`, `a(x, x_i) = softmax_i(s(x, x_i))`

    Args:
        similarities: `s`, `[tasks, queries, items]`.
        labels: `[tasks, items, way]` one-hot; rows of zeros (padding) have no attention.

    Returns:
        `[tasks, queries, way]` log-probabilities; no class falls below 1e-30.

    Example:
        >>> labels = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
        >>> np.exp(label_log_probabilities(np.zeros((1, 1, 3)), labels)).round(3)
        array([[[0.333, 0.667]]])
    """
    check_shapes(
        similarities=(similarities, "tasks queries items"), labels=(labels, "tasks items way")
    )
    labels = ops.cast(labels, similarities.dtype)
    similarities = ops.where(valid_items(labels)[:, None], similarities, _NEVER)
    highest = ops.stop_gradient(ops.max(similarities, axis=-1, keepdims=True))
    weights = ops.exp(similarities - highest)
    probabilities = ops.matmul(weights, labels) / ops.sum(weights, axis=-1, keepdims=True)
    return ops.log(ops.maximum(probabilities, 1e-30))
