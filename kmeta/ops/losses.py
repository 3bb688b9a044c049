"""Losses over support sets, where rows of zeros in the labels are padding."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_same, check_shapes


def support_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of one support set.

    `L = -1/n * sum_i sum_c y_ic log softmax(z_i)_c` over the n rows that are not padding.

    Args:
        logits: `[items, way]`.
        labels: `[items, way]` one-hot; rows of zeros do not count.

    Returns:
        Scalar, zero or greater.

    Example:
        >>> labels = np.array([[1.0, 0.0], [0.0, 0.0]])
        >>> round(float(support_cross_entropy(np.array([[0.0, 0.0], [9.0, 0.0]]), labels)), 3)
        0.693
    """
    check_shapes(logits=(logits, "items way"), labels=(labels, "items way"))
    labels = ops.cast(labels, logits.dtype)
    total = -ops.sum(labels * ops.log_softmax(logits, axis=-1))
    return total / ops.maximum(ops.sum(labels), 1.0)


def support_squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of one support set, over its items and their outputs.

    Args:
        predictions, targets: `[items, outputs]`.

    Returns:
        Scalar, zero or greater.

    Example:
        >>> float(support_squared_error(np.array([[1.0], [2.0]]), np.array([[1.0], [4.0]])))
        2.0
    """
    check_same(predictions=predictions, targets=targets)
    return ops.mean(ops.square(predictions - ops.cast(targets, predictions.dtype)))
