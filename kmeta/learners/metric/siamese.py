"""Siamese Neural Networks for One-shot Image Recognition (Koch, Zemel & Salakhutdinov 2015)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import one_of
from kmeta.episode import Episode, Pairs, Tensor
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.learners.networks import check_vectors
from kmeta.ops.pairs import (
    CLASS_SCORES,
    DISTANCES,
    class_log_odds,
    component_distances,
    pair_weights,
)


@keras.saving.register_keras_serializable("kmeta")
class SiameseNetwork(MetricLearner):
    """A network that tells whether two images are of one class, and names classes by it.

    `p(x_i, x_j) = sigmoid(sum_k alpha_k |f_k(x_i) - f_k(x_j)| + bias)` (Koch et al. 2015, section
    3.1); a query belongs to the class of the support item with the largest `p` (section 4.3).

    It is trained to verify, by binary cross-entropy, in either of two ways:

    - `fit` on `(Pairs(first, second), same)`, such as `kmeta.data.VerificationPairs`, as published;
    - `fit` on `(Episode, query_y)`: every query with every class is a pair, which with one shot is
      every query with every support item. Pairs of one class and pairs of two count half each,
      as in the published batches, however many classes there are. A step embeds each image once
      for many pairs, and so learns more from the same work.

    Input: `Episode`, for logits `[tasks, queries, way]`, the log-odds of each class; their softmax
    is what an adapted classifier gives. Or `Pairs`, for the log-odds `[pairs, 1]` of the pairs.

    Args:
        embedding: any Keras layer or model, images `[batch, ...]` to features
            `[batch, features]`. `kmeta.layers.KochConvNet()` is the published one.
        distance: `"l1"`, as published; `"l2"` has squared differences in place of absolute ones;
            `"cosine"` is `p = sigmoid(alpha * cos(f(x_i), f(x_j)) + bias)`. `alpha` and `bias` are
            learned.
        class_score: of a class with several shots. `"max"`: the log-odds of its most similar item,
            the published rule, which is stated for any support set. `"mean"`: the mean over
            its items, which one odd drawing cannot decide.
        bn_mode: statistics of batch normalisation outside training, `"running"` or `"batch"`
            (transductive), see `MetricLearner`. The published network has no normalisation.
        alpha_initializer, bias_initializer: Keras initialisers of the learned weights. Default: the
            log-odds start as `5 - 10 * mean_k |f_k(x_i) - f_k(x_j)|`, or
            `10 * cos(f(x_i), f(x_j)) - 5`, so that from the first step on what differs more is
            less likely of one class. Published: `RandomNormal(0, 0.2)`, `RandomNormal(0.5, 0.01)`.

    A loss of your own, given to `compile`, gets binary labels: `[pairs]` of `Pairs`, one-hot
    `[tasks, queries, way, 1]` of episodes, with log-odds of the same shape.

    Raises:
        ValueError: if an argument is none of those above, or the embedding's output is no
            vector of features.

    Deviations: where `alpha` and `bias` start, see above. With the published start, and features
    such as those of Conv-4, the bias would have to travel far before anything else is learned.

    Example:
        >>> learner = kmeta.SiameseNetwork(keras.layers.Flatten())
        >>> x = np.eye(3, dtype="float32")
        >>> np.argmax(learner.adapt(x, ["a", "b", "c"])(x), -1)
        array([0, 1, 2])
        >>> pairs = kmeta.Pairs(x, x[[0, 2, 2]])
        >>> np.ravel(learner(pairs)).round(2)
        array([ 5.  , -1.67,  5.  ], dtype=float32)
    """

    input_types = (Episode, Pairs)

    def __init__(
        self,
        embedding: keras.Layer,
        distance: str = "l1",
        class_score: str = "max",
        bn_mode: str = "running",
        alpha_initializer: Any = None,
        bias_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, **kwargs)
        self.distance = one_of("distance", distance, DISTANCES)
        self.class_score = one_of("class_score", class_score, CLASS_SCORES)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.head = None

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        check_vectors(self.feature_shape)
        if self.head is None:
            self._build_head()

    def _build_head(self):
        cosine = self.distance == "cosine"
        size = 1 if cosine else self.feature_shape[0]
        start, even = (10.0, -5.0) if cosine else (-10.0 / size, 5.0)
        self.head = keras.layers.Dense(
            1,
            kernel_initializer=self.alpha_initializer or keras.initializers.Constant(start),
            bias_initializer=self.bias_initializer or keras.initializers.Constant(even),
            dtype=self.dtype_policy,
            name="head",
        )
        self.head.build((None, size))

    def deployed_weights(self) -> list[keras.Variable]:
        return [*self.network.weights, *self.head.weights]

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not isinstance(inputs, Pairs):
            return super().call(inputs, training)
        with self.statistics():
            first, second = ops.unstack(self.embed(ops.stack(inputs), training))
        return self.head(component_distances(first, second, self.distance))

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """`{"embedded": [tasks, items, features], "labels": [tasks, items, way]}`."""
        return {"embedded": embedded, "labels": labels}

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        pairs = ops.expand_dims(embedded, 2), ops.expand_dims(state["embedded"], 1)
        pair_logits = self.head(component_distances(*pairs, self.distance))[..., 0]
        return class_log_odds(pair_logits, state["labels"], self.class_score)

    def default_loss(self) -> keras.losses.Loss:
        return keras.losses.BinaryCrossentropy(from_logits=True, dtype=self.variable_dtype)

    def accuracy(self) -> Any:
        """Accuracy of verification on `Pairs`, of classification on episodes."""
        return SiameseAccuracy()

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool | None = True,
    ) -> Tensor:
        """Keras' `compute_loss`; queries and classes of an episode become verification pairs."""
        if isinstance(x, Episode):
            same = ops.one_hot(y, ops.shape(y_pred)[-1], dtype=y_pred.dtype)
            balance = pair_weights(same)
            if sample_weight is not None:
                balance = balance * ops.expand_dims(ops.cast(sample_weight, balance.dtype), -1)
            y, y_pred, sample_weight = same[..., None], y_pred[..., None], balance
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "distance": self.distance,
            "class_score": self.class_score,
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


@keras.saving.register_keras_serializable("kmeta")
class SiameseAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of right answers: of pairs, by the sign of `[pairs, 1]`, or of queries, by `argmax`."""

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(_hits, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


def _hits(y_true, y_pred):
    y_pred = ops.convert_to_tensor(y_pred)
    if y_pred.shape[-1] == 1:
        answer, y_true = y_pred[..., 0] > 0, ops.reshape(y_true, (-1,))
    else:
        answer = ops.argmax(y_pred, axis=-1)
    return ops.cast(ops.equal(ops.cast(answer, "int32"), ops.cast(y_true, "int32")), "float32")
