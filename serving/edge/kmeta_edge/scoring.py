"""From logits to probabilities, scores and labels: the rule of `kmeta.Classifier`, in NumPy."""

import numbers

import numpy as np

UNKNOWN = "unknown"  # the label of an image whose score is below the threshold


def is_number(value):
    """Whether a value is a finite number, not below 0."""
    known = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return known and 0 <= value < float("inf")


def is_probability(value):
    """Whether a value is a number from 0 to 1."""
    return is_number(value) and value <= 1


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

    Raises:
        ValueError: if there are not as many names as columns, or `unknown` could be a class too.
    """
    if np.shape(probabilities)[-1] != len(class_names):
        raise ValueError(
            f"Argument `class_names` must have {np.shape(probabilities)[-1]} names, one a class. "
            f"Received: {len(class_names)}, {class_names}"
        )
    if not is_probability(threshold):
        raise ValueError(f"`threshold` must be from 0 to 1. Received: {threshold!r}")
    if threshold > 0 and unknown in class_names:
        raise ValueError(
            f"With a threshold above 0, no class may be called '{unknown}'. "
            f"Received: class_names={class_names}"
        )
    known = np.asarray(scores, "float32") >= np.float32(threshold)
    likeliest = np.argmax(probabilities, axis=-1)
    pairs = zip(likeliest, known, strict=True)
    return [class_names[index] if is_known else unknown for index, is_known in pairs]
