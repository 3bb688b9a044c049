"""Class prototypes."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_shapes


def class_means(embedded: Tensor, labels: Tensor) -> Tensor:
    """Mean of the embedded support items of each class (Snell et al. 2017, equation 1).

    `c_k = 1 / |S_k| * sum_{(x_i, y_i) in S_k} f(x_i)`

    Args:
        embedded: `[tasks, items, features]`.
        labels: `[tasks, items, way]` one-hot; rows of zeros (padding) do not count.

    Returns:
        `[tasks, way, features]`. A class without items has a prototype of zeros.

    Raises:
        ValueError: if the two do not hold the same number of items.

    Example:
        >>> labels = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
        >>> np.array(class_means(np.array([[[0.0], [4.0], [9.0]]]), labels))
        array([[[2.],
                [9.]]])
    """
    check_shapes(embedded=(embedded, "tasks items features"), labels=(labels, "tasks items way"))
    labels = ops.cast(labels, embedded.dtype)
    totals = ops.matmul(ops.swapaxes(labels, 1, 2), embedded)
    counts = ops.expand_dims(ops.sum(labels, axis=1), -1)
    return totals / ops.maximum(counts, 1.0)
