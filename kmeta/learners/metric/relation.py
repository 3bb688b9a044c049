"""Learning to Compare: Relation Network for Few-Shot Learning (Sung et al. 2018)."""

from typing import Any

import keras
from keras import ops

from kmeta.episode import Tensor
from kmeta.layers.relation import RelationModule
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.learners.networks import check_layer


@keras.saving.register_keras_serializable("kmeta")
class RelationLoss(keras.losses.Loss):
    """Mean squared error of relation scores (Sung et al. 2018, equation 2).

    `L = mean_{c, j} (r_cj - 1[y_j = c])^2`

    Called on `query_y`, `[tasks, queries]` integers, and `log r`, `[tasks, queries, way]`.
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        scores = ops.exp(y_pred)
        own = ops.take_along_axis(scores, ops.cast(y_true, "int32")[..., None], axis=-1)[..., 0]
        way = ops.cast(ops.shape(scores)[-1], scores.dtype)
        return (ops.sum(ops.square(scores), axis=-1) - 2.0 * own + 1.0) / way


def all_pairs(maps: Tensor, embedded: Tensor) -> Tensor:
    """`[f(S_c), f(x_j)]`, `[tasks, queries, way, height, width, 2 * channels]`, of equation 1.

    Args:
        maps: `f(S_c)`, `[tasks, way, height, width, channels]`.
        embedded: `f(x_j)`, `[tasks, queries, height, width, channels]`.
    """
    shape = (*ops.shape(embedded)[:2], ops.shape(maps)[1], *embedded.shape[2:])
    return ops.concatenate(
        [
            ops.broadcast_to(ops.expand_dims(maps, 1), shape),
            ops.broadcast_to(ops.expand_dims(embedded, 2), shape),
        ],
        axis=-1,
    )


@keras.saving.register_keras_serializable("kmeta")
class RelationNetwork(MetricLearner):
    """Relation Networks: a learned comparison of feature maps instead of a distance.

    `r_cj = sigmoid(g([f(S_c), f(x_j)]))`, where `f(S_c)` is the sum of the feature maps of the
    support items of class c and `[ , ]` joins channels (Sung et al. 2018, equation 1). Trained
    by squared error of the scores (equation 2), the default of `compile`.

    The logits are `log r`, so that their softmax is the relation scores divided by their sum.

    Args:
        embedding: any Keras layer or model, images to feature maps
            `[batch, height, width, channels]`; the paper's is `kmeta.layers.RelationEmbedding()`.
        relation_module: any Keras layer or model, joined maps
            `[pairs, height, width, 2 * channels]` to scores before the sigmoid, `[pairs, 1]`.
            Default: the paper's, `kmeta.layers.RelationModule()`.
        bn_mode: statistics of batch normalisation outside training, in both networks, `"running"`
            or, as published, `"batch"` (transductive), see `MetricLearner`.

    Raises:
        ValueError: if an argument is none of those above, or the embedding returns no maps.

    Deviations: with `"batch"`, support and queries are embedded as one batch, not as two.

    Example:
        >>> learner = kmeta.RelationNetwork(kmeta.layers.RelationEmbedding(filters=8))
        >>> x = np.zeros((4, 28, 28, 1), "float32")
        >>> np.array(learner.adapt(x, [0, 1, 0, 1])(x)).shape
        (4, 2)
    """

    def __init__(
        self,
        embedding: keras.Layer,
        relation_module: keras.Layer | None = None,
        bn_mode: str = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, **kwargs)
        if relation_module is None:
            relation_module = RelationModule(dtype=self.dtype_policy)
        check_layer("relation_module", relation_module, or_none=True)
        self.relation_module = relation_module

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(self.feature_shape) != 3:
            raise ValueError(
                "Argument `embedding` must return feature maps [batch, height, width, channels]. "
                f"Received: an embedding that returns {('batch', *self.feature_shape)}"
            )
        height, width, channels = self.feature_shape
        self.relation_module(keras.KerasTensor((None, height, width, 2 * channels)))

    def default_loss(self) -> keras.losses.Loss:
        return RelationLoss(dtype=self.variable_dtype)

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """`{"maps": [tasks, way, height, width, channels]}`, sums over the items of a class."""
        labels = ops.cast(labels, embedded.dtype)
        return {"maps": ops.einsum("tiw,tihvc->twhvc", labels, embedded)}

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        module = self.relation_module
        if type(module) is RelationModule:  # another one may know pairs only
            scores = module((state["maps"], embedded), training=training)[..., 0]
        else:
            pairs = all_pairs(state["maps"], embedded)
            flat = ops.reshape(pairs, (-1, *pairs.shape[3:]))
            scores = ops.reshape(module(flat, training=training), ops.shape(pairs)[:3])
        return ops.log_sigmoid(scores)

    def deployed_weights(self) -> list[keras.Variable]:
        return self.network.weights + self.relation_module.weights

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "relation_module": keras.saving.serialize_keras_object(self.relation_module),
        }
