"""Meta Networks once more, in plain NumPy loops over examples, layers and coordinates."""

import numpy as np
import oracles
from keras import tree


def convolve(image, kernel):
    return oracles.convolve_same(image[None], kernel, 0.0, 1)[0]


def windows(image):
    """The 2x2 windows of max-pooling that keeps odd rows: `((i, j), rows, columns)`."""
    for i in range(-(-image.shape[0] // 2)):
        for j in range(-(-image.shape[1] // 2)):
            yield (i, j), slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)


def pool(image):
    out = np.zeros((-(-image.shape[0] // 2), -(-image.shape[1] // 2), image.shape[2]))
    for place, rows, columns in windows(image):
        out[place] = image[rows, columns].max(axis=(0, 1))
    return out


def relu(x):
    return np.maximum(x, 0)


def hidden_layer(layer, x, slow, fast):
    return relu(layer(x, slow)) + (0 if fast is None else relu(layer(x, fast)))


def flat_maps(image, slow, fast):
    for i, kernel in enumerate(slow):
        image = pool(hidden_layer(convolve, image, kernel, None if fast is None else fast[i]))
    return image.ravel()


def embed(image, slow, fast=None):
    """The key of one image; weights without the head."""
    x = flat_maps(image, slow[:-1], fast and fast[:-1])
    return x @ slow[-1] + (0 if fast is None else x @ fast[-1])


def logits(image, slow, fast=None):
    x = flat_maps(image, slow[:-2], fast and fast[:-2])
    x = hidden_layer(np.matmul, x, slow[-2], fast and fast[-2])
    return x @ slow[-1] + (0 if fast is None else x @ fast[-1])


def gradients(image, one_hot, slow):
    """Gradients of the cross-entropy of one image, by hand."""
    *kernels, dense, head = slow
    inputs, before = [image], []
    for kernel in kernels:
        before.append(convolve(inputs[-1], kernel))
        inputs.append(pool(relu(before[-1])))
    x = inputs[-1].ravel()
    z = x @ dense
    error = oracles.softmax(relu(z) @ head) - one_hot
    found = [np.outer(relu(z), error)]
    back = (head @ error) * (z > 0)
    found.insert(0, np.outer(x, back))
    back = (dense @ back).reshape(inputs[-1].shape)
    for kernel, x, y in zip(kernels[::-1], inputs[-2::-1], before[::-1], strict=True):
        wide = np.zeros_like(y)
        for place, rows, columns in windows(y):
            for c in range(y.shape[-1]):
                part = y[rows, columns, c]
                where = np.unravel_index(part.argmax(), part.shape)
                wide[rows, columns, c][where] = back[place][c] * (part[where] > 0)
        padded, grown = np.pad(x, [(1, 1), (1, 1), (0, 0)]), np.zeros_like(kernel)
        spread = np.zeros_like(padded)
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                grown += padded[i : i + 3, j : j + 3, :, None] * wide[i, j]
                spread[i : i + 3, j : j + 3] += kernel @ wide[i, j]
        found.insert(0, grown)
        back = spread[1:-1, 1:-1]
    return found


def task_weight(sequence, weights):
    """`d` for one coordinate."""
    kernel, bias, out_kernel, out_bias = weights
    hidden = memory = np.zeros(len(out_kernel))
    for gradient in sequence:
        x = np.array(oracles.preprocessed(gradient, 7.0))
        hidden, memory = oracles.lstm_step(x, hidden, memory, kernel[:2], kernel[2:], bias)
    return (hidden @ out_kernel + out_bias)[0]


def example_weight(gradient, weights):
    """`m` for one coordinate."""
    first, first_bias, second, second_bias, out_kernel, out_bias = weights
    x = relu(np.array(oracles.preprocessed(gradient, 7.0)) @ first + first_bias)
    return (relu(x @ second + second_bias) @ out_kernel + out_bias)[0]


def predictions(learner, support_x, one_hot, query_x, constants=None):
    """Logits of the queries of one task, and the gradients met on the way.

    constants: gradients to use instead of those of the present weights.
    """
    slow = [np.array(w) for w in tree.flatten(learner.network.kernels)]
    keys_slow = [np.array(w) for w in tree.flatten(learner.embedding.kernels)]
    d, m = (
        [[np.array(w) for w in generator.weights] for generator in generators]
        for generators in (learner.task_fast, learner.example_fast)
    )
    if constants is None:
        constants = [
            [gradients(x, y, weights) for x, y in zip(support_x, one_hot, strict=True)]
            for weights in (keys_slow, slow)
        ]
    met, base_met = constants
    task_fast = []
    for i, weight in enumerate(keys_slow[:-1]):
        fast = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            fast[place] = task_weight([g[i][place] for g in met], d[weight.ndim != 4])
        task_fast.append(fast)
    values, keys = [], []
    for x, found in zip(support_x, base_met, strict=True):
        item = []
        for gradient in found:
            fast = np.zeros_like(gradient)
            for place in np.ndindex(gradient.shape):
                fast[place] = example_weight(gradient[place], m[gradient.ndim != 4])
            item.append(fast)
        values.append(item)
        keys.append(embed(x, keys_slow[:-1], task_fast))
    out = []
    for query in query_x:
        r = embed(query, keys_slow[:-1], task_fast)
        attention = oracles.softmax(oracles.cosine(r[None], keys)[0])
        fast = [
            sum(a * item[i] for a, item in zip(attention, values, strict=True))
            for i in range(len(slow))
        ]
        out.append(logits(query, slow, fast))
    return np.array(out), constants
