"""The papers' computations once more, in plain NumPy loops, to hold the library against."""

import numpy as np


def softmax(logits):
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def squared_euclidean(a, b):
    return np.array([[sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) for y in b] for x in a])


def cosine(a, b):
    return np.array([[x @ y / np.sqrt((x @ x) * (y @ y)) for y in b] for x in a])


def prototypes(embedded, one_hot):
    return np.array(
        [embedded[one_hot[:, k] == 1].mean(axis=0) for k in range(one_hot.shape[1])]
    )


def convolve_same(x, kernel, bias, stride):
    """`x` [n, h, w, c], `kernel` [3, 3, c, d]; TensorFlow's "same" padding."""
    n, h, w, _ = x.shape
    out = [-(-size // stride) for size in (h, w)]
    pads = [max((o - 1) * stride + 3 - size, 0) for o, size in zip(out, (h, w), strict=True)]
    x = np.pad(x, [(0, 0), *[(pad // 2, pad - pad // 2) for pad in pads], (0, 0)])
    y = np.zeros((n, *out, kernel.shape[-1]), x.dtype)
    for i in range(out[0]):
        for j in range(out[1]):
            patch = x[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
            y[:, i, j] = np.tensordot(patch, kernel, axes=3) + bias
    return y


def batch_norm(x, gamma, beta, epsilon):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta, mean, variance


def max_pool(x):
    n, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def maml_linear(weights, bias, support_x, one_hot, query_x, steps, rate):
    """Query logits of a linear softmax classifier after `steps` of gradient descent."""
    for _ in range(steps):
        error = (softmax(support_x @ weights + bias) - one_hot) / len(support_x)
        weights, bias = weights - rate * support_x.T @ error, bias - rate * error.sum(axis=0)
    return query_x @ weights + bias
