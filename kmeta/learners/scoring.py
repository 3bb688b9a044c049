"""From logits to probabilities and scores. Plain NumPy."""

import numpy as np


def softmax(logits):
    """`exp(logits) / sum exp(logits)` over the last axis."""
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def scores(logits, temperature, familiarity):
    """The score of each image, `[n]`, see `kmeta.Classifier`."""
    slope, offset = familiarity
    known = 0.5 + 0.5 * np.tanh((slope * np.max(logits, axis=-1) + offset) / 2)  # the sigmoid
    return softmax(logits / temperature).max(axis=-1) * known
