"""Fast weights: the equations of Meta Networks (Munkhdalai & Yu 2017).

`Kernels` are the weights of a network: slow ones, shared by all items, or fast ones, which are
shared too or have a leading axis of items, one network for each.
"""

import math
from typing import Any, NamedTuple

from keras import ops, tree

from kmeta.episode import Tensor
from kmeta.ops import differentiation
from kmeta.ops.attention import masked_softmax
from kmeta.ops.distances import cosine_similarity
from kmeta.ops.shapes import check_shapes


class Kernels(NamedTuple):
    """Weights of a network of convolutions, a dense layer that gives features, and a head.

    convolutions: list of kernels `[3, 3, c, f]`.
    dense: `[c, f]`.
    head: `[f, way]`; empty for a network that gives features alone.

    Example:
        >>> kernels = Kernels([np.zeros((3, 3, 1, 8))], np.zeros((32, 4)), np.zeros((4, 5)))
        >>> kernels.head.shape, kernels.without_head().head
        ((4, 5), ())
    """

    convolutions: Any
    dense: Any
    head: Any = ()

    def without_head(self) -> "Kernels":
        """The kernels that give features."""
        return self._replace(head=())


def convolution(x: Tensor, kernel: Tensor) -> Tensor:
    """3x3 convolution with zeros around, strides of 1, no bias.

    Args:
        x: `[items, height, width, c]`.
        kernel: `[3, 3, c, f]`, or `[items, 3, 3, c, f]` where each item has its own.

    Returns:
        `[items, height, width, f]`.

    Example:
        >>> convolution(np.ones((2, 4, 4, 1), "float32"), np.ones((2, 3, 3, 1, 5), "float32")).shape
        TensorShape([2, 4, 4, 5])
    """
    check_shapes(x=(x, "items height width c"), kernel=(kernel, "... 3 3 c f"))
    if len(kernel.shape) == 4:
        return ops.conv(x, kernel, padding="same", data_format="channels_last")
    _, height, width, channels = x.shape
    filters = kernel.shape[-1]
    padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    patches = ops.reshape(ops.concatenate(shifted, axis=-1), (-1, height * width, 9 * channels))
    y = ops.matmul(patches, ops.reshape(kernel, (-1, 9 * channels, filters)))
    return ops.reshape(y, (-1, height, width, filters))


def dense(x: Tensor, kernel: Tensor) -> Tensor:
    """`x W`, for `x` `[items, c]` and `W` `[c, f]` or `[items, c, f]`.

    Example:
        >>> np.array(dense(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])))
        array([[11.]])
    """
    check_shapes(x=(x, "items c"), kernel=(kernel, "... c f"))
    if len(kernel.shape) == 2:
        return ops.matmul(x, kernel)
    return ops.squeeze(ops.matmul(x[:, None], kernel), axis=1)


def summed(layer: Tensor, x: Tensor, slow: Tensor, fast: Any = None) -> Tensor:
    """`layer(x, slow) + layer(x, fast)`, without the second where there are no fast weights.

    Example:
        >>> np.array(summed(dense, np.ones((1, 1)), np.array([[2.0]]), np.array([[-5.0]])))
        array([[-3.]])
    """
    return layer(x, slow) if fast is None else layer(x, slow) + layer(x, fast)


def augmented(layer: Tensor, x: Tensor, slow: Tensor, fast: Any = None) -> Tensor:
    """Layer augmentation (section 3.3): `ReLU(layer(x, slow)) + ReLU(layer(x, fast))`.

    Example:
        >>> np.array(augmented(dense, np.ones((1, 1)), np.array([[2.0]]), np.array([[-5.0]])))
        array([[2.]])
    """
    return summed(lambda x, kernel: ops.relu(layer(x, kernel)), x, slow, fast)


def maps(x: Tensor, slow: Tensor, fast: Any = None) -> Tensor:
    """The convolutions, each followed by 2x2 max-pooling that keeps odd rows; flattened.

    Args:
        x: images `[items, height, width, channels]`.
        slow, fast: `Kernels`; `fast` may be None.

    Returns:
        `[items, features]`.

    Example:
        >>> slow = Kernels([ops.ones((3, 3, 1, 4))], dense=())
        >>> maps(ops.ones((2, 5, 5, 1)), slow).shape
        TensorShape([2, 36])
    """
    check_shapes(x=(x, "items height width channels"))
    for i, kernel in enumerate(slow.convolutions):
        x = augmented(convolution, x, kernel, fast and fast.convolutions[i])
        x = ops.max_pool(x, 2, 2, padding="same", data_format="channels_last")
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))


def embed(x: Tensor, slow: Tensor, fast: Any = None) -> Tensor:
    """The representation `r = u(x)`: the features before their ReLU.

    Args:
        x: images `[items, height, width, channels]`.
        slow, fast: `Kernels`, whose heads do not matter; `fast` may be None.

    Returns:
        `[items, features]`.

    Example:
        >>> slow = Kernels([ops.ones((3, 3, 1, 4))], ops.ones((36, 6)))
        >>> embed(ops.ones((2, 5, 5, 1)), slow).shape
        TensorShape([2, 6])
    """
    return summed(dense, maps(x, slow, fast), slow.dense, fast and fast.dense)


def logits(x: Tensor, slow: Tensor, fast: Any = None) -> Tensor:
    """The base learner `b(x)`: features by layer augmentation, then the head, summed.

    Args:
        x: images `[items, height, width, channels]`.
        slow, fast: `Kernels`; `fast` may be None.

    Returns:
        `[items, way]`.

    Example:
        >>> slow = Kernels([ops.ones((3, 3, 1, 4))], ops.ones((36, 6)), ops.ones((6, 3)))
        >>> logits(ops.ones((2, 5, 5, 1)), slow).shape
        TensorShape([2, 3])
    """
    features = augmented(dense, maps(x, slow, fast), slow.dense, fast and fast.dense)
    return summed(dense, features, slow.head, fast and fast.head)


def meta_information(x: Tensor, labels: Tensor, slow: Tensor) -> Kernels:
    """Gradients of each item's own cross-entropy by the slow weights, as constants.

    `grad_i = d L(b(W, x_i), y_i) / dW` (algorithm 1). The outer gradient does not run through them.

    Args:
        x: images `[items, height, width, channels]`.
        labels: `[items, way]` one-hot; the gradients of a row of zeros are zero.
        slow: `Kernels`.

    Returns:
        `Kernels`, each `[items, ...]`.

    Example:
        >>> slow = Kernels([ops.ones((3, 3, 1, 4))], ops.ones((16, 6)), ops.ones((6, 3)))
        >>> gradients = meta_information(ops.ones((2, 4, 4, 1)), ops.eye(2, 3), slow)
        >>> gradients.convolutions[0].shape, gradients.head.shape
        (TensorShape([2, 3, 3, 1, 4]), TensorShape([2, 6, 3]))
    """
    check_shapes(x=(x, "items height width channels"), labels=(labels, "items way"))
    labels = ops.cast(labels, x.dtype)
    items = ops.shape(x)[0]
    own = tree.map_structure(
        lambda w: ops.broadcast_to(ops.stop_gradient(w)[None], (items, *w.shape)), slow
    )

    def loss(own):
        return -ops.sum(labels * ops.log_softmax(logits(x, own), axis=-1)), ()

    _, gradients = differentiation.value_and_gradients(loss, own)
    return tree.map_structure(ops.stop_gradient, gradients)


def mix(keys: Tensor, valid: Tensor, values: Tensor, queries: Tensor) -> Any:
    """Fast weights of each query: `W* = sum_i a_i W*_i`, `a = softmax_i(cos(r_i, r))`.

    Args:
        keys: `r_i`, `[items, features]`.
        valid: `[items]`, 1, or 0 for items that have no attention.
        values: `W*_i`, a structure of weights `[items, ...]`.
        queries: `r`, `[queries, features]`.

    Returns:
        Structure of weights `[queries, ...]`.

    Example:
        >>> keys, valid = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.0])
        >>> np.array(mix(keys, valid, [np.array([[5.0], [7.0]])], np.array([[1.0, 1.0]]))[0])
        array([[5.]])
    """
    check_shapes(
        keys=(keys, "items features"), valid=(valid, "items"), queries=(queries, "queries features")
    )
    attention = masked_softmax(cosine_similarity(queries, keys), valid > 0)

    def weighted(value):
        flat = ops.reshape(value, (-1, math.prod(value.shape[1:])))
        return ops.reshape(ops.matmul(attention, flat), (-1, *value.shape[1:]))

    return tree.map_structure(weighted, values)
