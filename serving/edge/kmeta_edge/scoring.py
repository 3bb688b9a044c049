"""From logits to probabilities, scores and labels: the rule of `kmeta.Classifier`, in NumPy."""

import numpy as np

UNKNOWN = "unknown"  # the label of an image whose score is below the threshold


def softmax(logits):
    """`exp(logits) / sum exp(logits)` over the last axis."""
    powers = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def scores(logits, temperature, familiarity):
    """The largest probability, times how likely the image is of a known class at all, `[n]`.

    familiarity: `(slope, offset)` of the latter, `sigmoid(slope * largest logit + offset)`.
    """
    slope, offset = familiarity
    known = 0.5 + 0.5 * np.tanh((slope * np.max(logits, axis=-1) + offset) / 2)  # the sigmoid
    return softmax(logits / temperature).max(axis=-1) * known


def labels(probabilities, scores, class_names, threshold, unknown):
    """List of the likeliest class of each row, or `unknown` where its score is below `threshold`.

    Compared in float32, as in exported graphs.
    """
    known = np.asarray(scores, "float32") >= np.float32(threshold)
    likeliest = np.argmax(probabilities, axis=-1)
    pairs = zip(likeliest, known, strict=True)
    return [class_names[index] if is_known else unknown for index, is_known in pairs]
