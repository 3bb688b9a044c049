"""From logits to probabilities, scores and labels: the rule of `kmeta.Classifier`, on tensors."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_shapes


def answers(
    logits: Tensor, temperature: float, threshold: float, slope: float, offset: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What a classifier says of images.

    `p = softmax(logits / temperature)`,
    `score = max(p) * sigmoid(slope * max(logits) + offset)`: the second factor is how likely the
    image is of a known class at all, which probabilities, that compare the classes with one
    another, do not tell.

    Args:
        logits: `[images, way]`.
        temperature: positive number.
        threshold: from 0 to 1.
        slope, offset: numbers.

    Returns:
        `(probabilities [images, way], scores [images], known bool [images])`; an image whose score
        is below `threshold` is not known, whatever its likeliest class.

    Example:
        >>> probabilities, scores, known = answers([[2.0, 0.0], [0.1, 0.0]], 1.0, 0.6, 0.0, 100.0)
        >>> [round(float(score), 3) for score in scores], [bool(k) for k in known]
        ([0.881, 0.525], [True, False])
    """
    check_shapes(logits=(logits, "images way"))
    logits = ops.convert_to_tensor(logits)
    probabilities = ops.softmax(logits / temperature, axis=-1)
    known = ops.sigmoid(slope * ops.max(logits, axis=-1) + offset)
    scores = ops.max(probabilities, axis=-1) * known
    return probabilities, scores, scores >= threshold
