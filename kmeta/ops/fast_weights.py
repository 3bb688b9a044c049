"""Fast weights: the equations of Meta Networks (Munkhdalai & Yu 2017).

A network's weights are a list of kernels: those of its convolutions `[3, 3, c, f]`, of the dense
layer that gives features `[c, f]`, and of the head `[f, way]`. Slow weights are shared by all
items. Fast weights are too, or each item has its own, with a leading axis of items.
"""

import itertools
import math

from keras import ops

from kmeta.ops import differentiation
from kmeta.ops.attention import masked_softmax
from kmeta.ops.distances import cosine_similarity


def convolution(x, kernel):
    """3x3 convolution with zeros around, strides of 1, no bias.

    Args:
        x: `[items, height, width, c]`.
        kernel: `[3, 3, c, f]`, or `[items, 3, 3, c, f]` where each item has its own.

    Returns:
        `[items, height, width, f]`.
    """
    if len(kernel.shape) == 4:
        return ops.conv(x, kernel, padding="same")
    _, height, width, channels = x.shape
    filters = kernel.shape[-1]
    padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    patches = ops.reshape(ops.concatenate(shifted, axis=-1), (-1, height * width, 9 * channels))
    y = ops.matmul(patches, ops.reshape(kernel, (-1, 9 * channels, filters)))
    return ops.reshape(y, (-1, height, width, filters))


def dense(x, kernel):
    """`x W`, for `x` `[items, c]` and `W` `[c, f]` or `[items, c, f]`."""
    if len(kernel.shape) == 2:
        return ops.matmul(x, kernel)
    return ops.squeeze(ops.matmul(x[:, None], kernel), axis=1)


def summed(layer, x, slow, fast=None):
    """`layer(x, slow) + layer(x, fast)`, without the second where there are no fast weights."""
    return layer(x, slow) if fast is None else layer(x, slow) + layer(x, fast)


def augmented(layer, x, slow, fast=None):
    """Layer augmentation (section 3.3): `ReLU(layer(x, slow)) + ReLU(layer(x, fast))`."""
    return summed(lambda x, kernel: ops.relu(layer(x, kernel)), x, slow, fast)


def _maps(x, slow, fast):
    """The convolutions, each followed by 2x2 max-pooling that keeps odd rows; flattened."""
    for i in range(len(slow)):
        x = augmented(convolution, x, slow[i], None if fast is None else fast[i])
        x = ops.max_pool(x, 2, padding="same")
    return ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))


def embed(x, slow, fast=None):
    """The representation `r = u(x)`: the features before their ReLU.

    Args:
        x: images `[items, height, width, channels]`.
        slow, fast: weights without those of the head; `fast` may be None.

    Returns:
        `[items, features]`.
    """
    fast_maps, fast_last = (None, None) if fast is None else (fast[:-1], fast[-1])
    return summed(dense, _maps(x, slow[:-1], fast_maps), slow[-1], fast_last)


def logits(x, slow, fast=None):
    """The base learner `b(x)`: features by layer augmentation, then the head, summed.

    Args:
        x: images `[items, height, width, channels]`.
        slow, fast: all weights; `fast` may be None.

    Returns:
        `[items, way]`.
    """
    fast_maps, *fast_dense = (None, None, None) if fast is None else (fast[:-2], *fast[-2:])
    x = augmented(dense, _maps(x, slow[:-2], fast_maps), slow[-2], fast_dense[0])
    return summed(dense, x, slow[-1], fast_dense[1])


def meta_information(x, labels, slow):
    """Gradients of each item's own cross-entropy by the slow weights, as constants.

    `grad_i = d L(b(W, x_i), y_i) / dW` (algorithm 1). The outer gradient does not run through them.

    Args:
        x: images `[items, height, width, channels]`.
        labels: `[items, way]` one-hot; the gradients of a row of zeros are zero.
        slow: all weights.

    Returns:
        List of gradients, each `[items, ...]`.
    """
    labels = ops.cast(labels, x.dtype)

    def loss(own):
        return -ops.sum(labels * ops.log_softmax(logits(x, own), axis=-1)), ()

    items = ops.shape(x)[0]
    own = [ops.broadcast_to(ops.stop_gradient(w)[None], (items, *w.shape)) for w in slow]
    _, gradients = differentiation.value_and_gradients(loss, own)
    return [ops.stop_gradient(gradient) for gradient in gradients]


def affine(parts, kernel, bias):
    """`[parts] W + b`, for parts `[rows, ...]`, as one product: its gradient is the fastest."""
    ones = ops.ones_like(parts[0][:, :1])
    weights = ops.concatenate([kernel, bias[None]], axis=0)
    return ops.matmul(ops.concatenate([*parts, ones], axis=-1), weights)


def lstm_step(x, hidden, memory, kernel, bias):
    """One step of an LSTM, gates in the order input, forget, candidate, output.

    Args:
        x: `[coordinates, inputs]`.
        hidden, memory: `[coordinates, units]`.
        kernel: `[inputs + units, 4 * units]`.
        bias: `[4 * units]`.

    Returns:
        `(hidden, memory)`.
    """
    z = affine([x, hidden], kernel, bias)
    enter, forget, candidate, leave = ops.split(z, 4, axis=-1)
    memory = ops.sigmoid(forget) * memory + ops.sigmoid(enter) * ops.tanh(candidate)
    return ops.sigmoid(leave) * ops.tanh(memory), memory


def mix(keys, valid, values, queries):
    """Fast weights of each query: `W* = sum_i a_i W*_i`, `a = softmax_i(cos(r_i, r))`.

    Args:
        keys: `r_i`, `[items, features]`.
        valid: `[items]`, 1, or 0 for items that have no attention.
        values: `W*_i`, a list of weights `[items, ...]`.
        queries: `r`, `[queries, features]`.

    Returns:
        List of weights `[queries, ...]`.
    """
    attention = masked_softmax(cosine_similarity(queries, keys), valid > 0)
    return [
        ops.reshape(ops.matmul(attention, joined([value])), (-1, *value.shape[1:]))
        for value in values
    ]


def joined(weights):
    """`[items, coordinates]`, for a list of weights `[items, ...]`."""
    flat = [ops.reshape(weight, (-1, math.prod(weight.shape[1:]))) for weight in weights]
    return ops.concatenate(flat, axis=-1)


def split(coordinates, shapes):
    """List of weights `[..., *shape]`, for `[..., coordinates]`."""
    ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
    parts = ops.split(coordinates, ends[:-1], axis=-1) if len(shapes) > 1 else [coordinates]
    lead = (-1,) * (len(coordinates.shape) - 1)
    return [ops.reshape(part, (*lead, *shape)) for part, shape in zip(parts, shapes, strict=True)]
