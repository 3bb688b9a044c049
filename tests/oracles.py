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
    return np.array([embedded[one_hot[:, k] == 1].mean(axis=0) for k in range(one_hot.shape[1])])


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


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(x, h, c, kernel, recurrent, bias):
    """One step of an LSTM with gates in the order input, forget, candidate, output."""
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(xs, weights):
    h = c = np.zeros(weights[1].shape[0])
    out = []
    for x in xs:
        h, c = lstm_step(x, h, c, *weights)
        out.append(h)
    return out


def support_context(embedded, forward, backward):
    """`g(x_i, S)` of one support set, item by item."""
    ahead = lstm(embedded, forward)
    back = lstm(embedded[::-1], backward)[::-1]
    return np.array([x + a + b for x, a, b in zip(embedded, ahead, back, strict=True)])


def query_context(query, support, weights, read_steps):
    """`f(x, S)` of one query."""
    h = c = np.zeros(len(query))
    for _ in range(read_steps):
        attention = softmax(np.array([h @ g for g in support]))
        read = sum(a * g for a, g in zip(attention, support, strict=True))
        out, c = lstm_step(np.concatenate([query, read]), h, c, *weights)
        h = out + query
    return h


def matching(query, support, one_hot, scale):
    """P(y | x, S) of one query."""
    attention = softmax(scale * cosine(query[None], support)[0])
    return sum(a * y for a, y in zip(attention, one_hot, strict=True))


def conv_same_blocks(x, layers):
    """Apply (kernel, bias, gamma, beta, mean, variance, epsilon, padding, pool) in turn."""
    for kernel, bias, gamma, beta, mean, variance, epsilon, padding, pool in layers:
        full = convolve_same(x, kernel, bias, 1)
        x = full if padding == "same" else full[:, 1:-1, 1:-1]
        x = np.maximum(gamma * (x - mean) / np.sqrt(variance + epsilon) + beta, 0)
        x = max_pool(x) if pool else x
    return x


def linear_gradient(weights, bias, x, one_hot):
    """Gradient of the mean cross-entropy of a linear softmax classifier."""
    error = (softmax(x @ weights + bias) - one_hot) / len(x)
    return [x.T @ error, error.sum(axis=0)]


def reptile_linear(weights, moments, taken, batches, rate, optimizer):
    """Weights and second moments of a linear softmax classifier after a step on each batch."""
    weights, moments = list(weights), list(moments)
    for x, one_hot in batches:
        taken += 1
        for i, g in enumerate(linear_gradient(*weights, x, one_hot)):
            if optimizer == "sgd":
                weights[i] = weights[i] - rate * g
                continue
            moments[i] = 0.999 * moments[i] + 0.001 * g**2
            corrected = moments[i] / (1 - 0.999**taken)
            # epsilon stands beside the uncorrected root in this form of Adam
            scale = np.sqrt(1 - 0.999**taken)
            weights[i] = weights[i] - rate * g / (np.sqrt(corrected) + 1e-8 / scale)
    return weights, moments, taken


def preprocessed(x, p=10.0):
    """The two numbers for one gradient or loss."""
    if abs(x) >= np.exp(-p):
        return [np.log(abs(x)) / p, np.sign(x)]
    return [-1.0, np.exp(p) * x]


def learned_update(theta, gradient, loss, state, weights):
    """One update, coordinate by coordinate; `state` is a list of (h, c, forget, update)."""
    kernel, recurrent, bias, forget_kernel, forget_bias, update_kernel, update_bias = weights
    after, states = [], []
    for value, g, (h, c, f, i) in zip(theta, gradient, state, strict=True):
        x = np.array(preprocessed(g) + preprocessed(loss))
        h, c = lstm_step(x, h, c, kernel, recurrent, bias)
        f = np.concatenate([h, [value, f]]) @ forget_kernel[:, 0] + forget_bias[0]
        i = np.concatenate([h, [value, i]]) @ update_kernel[:, 0] + update_bias[0]
        after.append(sigmoid(f) * value - sigmoid(i) * g)
        states.append((h, c, f, i))
    return np.array(after), states


def memory_step(x, state, weights, heads, decay, scale=1.0):
    """One step of a memory cell with an LSTM controller, for one sequence, slot by slot.

    `state`: h, c, memory [slots, width], reads [heads, width], read weights [heads, slots], usage.
    `weights`: of the LSTM (3), of the keys (2), of the gates (2).
    """
    h, c, memory, reads, read_weights, usage = state
    slots, width = memory.shape
    h, c = lstm_step(np.concatenate([x, reads.ravel()]), h, c, *weights[:3])
    keys = np.tanh(h @ weights[3] + weights[4]).reshape(heads, width)
    gates = h @ weights[5] + weights[6]

    by_usage = sorted(range(slots), key=lambda slot: (usage[slot], slot))
    write_weights = np.zeros((heads, slots))
    for head in range(heads):
        for slot in range(slots):
            least = 1.0 if slot == by_usage[head] else 0.0
            share = sigmoid(gates[head])
            write_weights[head, slot] = share * read_weights[head, slot] + (1 - share) * least
    memory = memory.copy()
    memory[by_usage[0]] = 0
    for head in range(heads):
        for slot in range(slots):
            memory[slot] += write_weights[head, slot] * keys[head]

    reads, read_weights, usage = np.zeros_like(reads), np.zeros_like(read_weights), decay * usage
    for head in range(heads):
        read_weights[head] = softmax(scale * cosine(keys[head][None], memory)[0])
        for slot in range(slots):
            reads[head] += read_weights[head, slot] * memory[slot]
            usage[slot] += read_weights[head, slot] + write_weights[head, slot]
    return np.concatenate([h, reads.ravel()]), (h, c, memory, reads, read_weights, usage)


def ridge_scores(x, y, queries, lam):
    """`[queries, way]` of ridge regression on centred unit vectors (Bertinetto et al. 2019)."""
    x, y, queries = (np.asarray(a, "float64") for a in (x, y, queries))
    x, queries = (a / np.linalg.norm(a, axis=-1, keepdims=True) for a in (x, queries))
    mean = x.mean(0)
    centred = x - mean
    gram = centred @ centred.T
    held_back = (lam * np.trace(gram) / len(x) + 1e-6) * np.eye(len(x))
    solved = np.linalg.solve(gram + held_back, y - 1 / y.shape[-1])
    return (queries - mean) @ centred.T @ solved


def ridge_variances(x, queries, lam):
    """`[queries]`, of the Gaussian process of the same regression, in units of what holds back."""
    x, queries = (np.asarray(a, "float64") for a in (x, queries))
    x, queries = (a / np.linalg.norm(a, axis=-1, keepdims=True) for a in (x, queries))
    centred, queries = x - x.mean(0), queries - x.mean(0)
    held_back = lam * np.square(centred).sum() / len(x) + 1e-6
    inverse = np.linalg.inv(centred.T @ centred + held_back * np.eye(x.shape[1]))
    return np.einsum("qd,de,qe->q", queries, inverse, queries)
