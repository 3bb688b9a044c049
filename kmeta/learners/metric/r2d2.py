"""R2-D2: meta-learning with differentiable closed-form solvers (Bertinetto et al. 2019)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import is_finite, positive
from kmeta.episode import Tensor
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.ops.distances import cosine_similarity
from kmeta.ops.padding import valid_items
from kmeta.ops.ridge import ridge_regression, ridge_scores


@keras.saving.register_keras_serializable("kmeta")
class R2D2(MetricLearner):
    """R2-D2, the Ridge Regression Differentiable Discriminator: ridge regression to the classes.

    `W = X^T (X X^T + lam * trace(X X^T) / n * I)^-1 (Y - 1 / way)`, logits
    `scale * ((x - m) W + nearness * max_i cos(x, x_i))` (Bertinetto et al. 2019, equations 4 and
    6), where x are unit vectors and m is their mean. It uses how features vary together, which a
    mean of each class does not.

    Args:
        embedding: any Keras layer or model, images `[batch, ...]` to features
            `[batch, features]`.
        lam: how much the regression is held back, relative to the mean squared length of support
            items around their mean; above 0. From 0.03 to 0.3 it hardly matters.
        scale: factor of the logits; above 0. Scores lie between about -1 / way and 1; 16 makes
            probabilities of them that are near to the shares that are right (photographs, 1 to 10
            shots).
        nearness: weight of the cosine to the nearest support item, at least 0. It is added to all
            logits of a query alike and so changes no probability; but the largest logit then tells
            better whether a query is of a known class at all (see `kmeta.Classifier`). 2 gives both
            parts the same spread for photographs.
        bn_mode: statistics of batch normalisation outside training, `"running"` or `"batch"`
            (transductive), see `MetricLearner`.

    Deviations: the paper regresses features as they are and learns lam, the scale and an offset;
    here features are centred and of unit length, lam is relative to them, and both are arguments.
    The paper has no nearness.

    Raises:
        ValueError: if an argument is none of those above.

    >>> learner = kmeta.R2D2(keras.layers.Flatten())
    >>> classifier = learner.adapt(np.eye(3, dtype="float32"), ["a", "b", "c"])
    >>> np.argmax(classifier(np.eye(3, dtype="float32")), -1)
    array([0, 1, 2])
    """

    def __init__(
        self,
        embedding: keras.Layer,
        lam: float = 0.3,
        scale: float = 16.0,
        nearness: float = 2.0,
        bn_mode: str = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, **kwargs)
        self.lam = positive("lam", lam)
        self.scale = positive("scale", scale)
        if not is_finite(nearness) or nearness < 0:
            raise ValueError(
                "Argument `nearness` must be a number of at least 0. "
                f"Received: nearness={nearness!r}"
            )
        self.nearness = float(nearness)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.check_vectors()

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """`embedded [tasks, items, features]` and `labels [tasks, items, way]`, from which classes
        can be learned again, and what they were learned as: `mean` and `weights`."""
        mean, weights = ridge_regression(embedded, labels, self.lam)
        return {"embedded": embedded, "labels": labels, "mean": mean, "weights": weights}

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        scores = ridge_scores(embedded, state["mean"], state["weights"])
        if self.nearness:
            scores += self.nearness * ops.expand_dims(self.similarity(state, embedded), -1)
        return self.scale * scores

    def similarity(self, state: dict[str, Any], embedded: Tensor) -> Tensor:
        """Cosine of each query to the support item nearest to it, `[tasks, queries]`."""
        similarities = cosine_similarity(embedded, state["embedded"])
        valid = ops.expand_dims(valid_items(state["labels"]), 1)
        return ops.max(ops.where(valid, similarities, -1.0), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "lam": self.lam,
            "scale": self.scale,
            "nearness": self.nearness,
        }
