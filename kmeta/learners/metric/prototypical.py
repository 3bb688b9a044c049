"""Prototypical Networks for Few-shot Learning (Snell, Swersky & Zemel 2017)."""

from typing import Any

import keras

from kmeta.checks import one_of, positive
from kmeta.episode import Tensor
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.ops.distances import cosine_similarity, squared_euclidean
from kmeta.ops.prototypes import class_means


@keras.saving.register_keras_serializable("kmeta")
class PrototypicalNetwork(MetricLearner):
    """Prototypical Networks: a class is the mean of its embedded support items.

    `p(y = k | x) = softmax_k(-d(f(x), c_k))`, `c_k = 1/|S_k| sum_{i in S_k} f(x_i)`
    (Snell et al. 2017, equations 1 and 2).

    Args:
        embedding: any Keras layer or model, images `[batch, ...]` to features
            `[batch, features]`.
        distance: `"squared_euclidean"`, as published, or `"cosine"`, whose logits are
            `scale * cos(f(x), c_k)`.
        scale: factor of the logits. 1 is the published form; cosines, which are bounded, learn
            sooner with about 10.
        bn_mode: statistics of batch normalisation outside training, `"running"`, as published,
            or `"batch"` (transductive), see `MetricLearner`.

    Raises:
        ValueError: if an argument is none of those above.

    Example:
        >>> learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
        >>> x = np.array([[0.0, 0.0], [0.2, 0.0], [1.0, 1.0]])
        >>> classifier = learner.adapt(x, ["dark", "dark", "light"])
        >>> classifier.class_names, np.array(classifier(x)).round(2)[:, 1]
        (['dark', 'light'], array([0.12, 0.16, 0.86], dtype=float32))
    """

    def __init__(
        self,
        embedding: keras.Layer,
        distance: str = "squared_euclidean",
        scale: float = 1.0,
        bn_mode: str = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, **kwargs)
        self.distance = one_of("distance", distance, ("squared_euclidean", "cosine"))
        self.scale = positive("scale", scale)

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """`{"prototypes": [tasks, way, features]}`."""
        return {"prototypes": class_means(embedded, labels)}

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        if self.distance == "cosine":
            return self.scale * cosine_similarity(embedded, state["prototypes"])
        return -self.scale * squared_euclidean(embedded, state["prototypes"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "distance": self.distance, "scale": self.scale}
