"""From two embedded items to the log-odds that they are of one class, and on to classes."""

from keras import ops

from kmeta.checks import one_of
from kmeta.episode import Tensor
from kmeta.ops.distances import unit_vectors
from kmeta.ops.shapes import check_shapes

DISTANCES = ("l1", "l2", "cosine")
CLASS_SCORES = ("max", "mean")

NEVER = -1e9  # log-odds of a class without an item


def component_distances(a: Tensor, b: Tensor, distance: str) -> Tensor:
    """What a weighted sum turns into the log-odds of a pair (Koch et al. 2015, section 3.1).

    - `"l1"`: `|a_k - b_k|` for every component k, as published.
    - `"l2"`: `(a_k - b_k)^2` for every component k.
    - `"cosine"`: the cosine of the angle between `a` and `b`, one component.

    Args:
        a, b: `[..., features]`, of shapes that broadcast.
        distance: `"l1"`, `"l2"` or `"cosine"`.

    Returns:
        `[..., features]`, or `[..., 1]` for the cosine.

    Raises:
        ValueError: if feature counts differ, or `distance` is none of the three.

    Example:
        >>> np.array(component_distances(np.array([[1.0, 5.0]]), np.array([[4.0, 4.0]]), "l1"))
        array([[3., 1.]])
    """
    check_shapes(a=(a, "... features"), b=(b, "... features"))
    one_of("distance", distance, DISTANCES)
    if distance == "l1":
        return ops.abs(a - b)
    if distance == "l2":
        return ops.square(a - b)
    return ops.sum(unit_vectors(a) * unit_vectors(b), axis=-1, keepdims=True)


def class_log_odds(pair_logits: Tensor, labels: Tensor, class_score: str = "max") -> Tensor:
    """Log-odds of each class from those of the pairs of a query with the support items.

    - `"max"`: `z_c = max_{i: y_i = c} z_i`. The likeliest class is that of the support item with
      the largest pair probability, `c(argmax_i p(x, x_i))` (Koch et al. 2015, section 4.3).
    - `"mean"`: `z_c = 1/|S_c| sum_{i: y_i = c} z_i`.

    Both are the pair's log-odds where a class has one item.

    Args:
        pair_logits: `[tasks, queries, items]`.
        labels: `[tasks, items, way]` one-hot; rows of zeros (padding) do not count.
        class_score: `"max"` or `"mean"`.

    Returns:
        `[tasks, queries, way]`; -1e9 for a class without items.

    Raises:
        ValueError: if the shapes do not fit, or `class_score` is neither of the two.

    Example:
        >>> labels = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
        >>> np.array(class_log_odds(np.array([[[0.5, -1.0, 2.0]]]), labels))
        array([[[0.5, 2. ]]])
    """
    check_shapes(
        pair_logits=(pair_logits, "tasks queries items"), labels=(labels, "tasks items way")
    )
    one_of("class_score", class_score, CLASS_SCORES)
    labels = ops.cast(labels, pair_logits.dtype)
    never = ops.cast(NEVER, pair_logits.dtype)
    if class_score == "max":
        own = ops.expand_dims(labels, 1) > 0
        return ops.max(ops.where(own, ops.expand_dims(pair_logits, -1), never), axis=2)
    counts = ops.sum(labels, axis=1, keepdims=True)
    means = ops.matmul(pair_logits, labels) / ops.maximum(counts, 1.0)
    return ops.where(counts > 0, means, never)


def pair_weights(same: Tensor) -> Tensor:
    """Weights of the pairs of queries and classes, of mean 1, by which both kinds count half.

    `way / 2` for the pair of one class that a query has, and `way / (2 (way - 1))` for each of its
    pairs of two: batches of Koch et al. 2015, section 3.2, have as many of the one as of the other.

    Args:
        same: `[..., way]`, 1 for a query's own class and 0 for others.

    Returns:
        `[..., way]`.

    Example:
        >>> np.array(pair_weights(np.array([[1.0, 0.0, 0.0]])))
        array([[1.5 , 0.75, 0.75]])
    """
    check_shapes(same=(same, "... way"))
    way = ops.cast(ops.shape(same)[-1], same.dtype)
    return way / 2 * (same + (1 - same) / (way - 1))
