"""Matching Networks for One Shot Learning (Vinyals et al. 2016)."""

from typing import Any

import keras

from kmeta.checks import positive, true_or_false, whole_number
from kmeta.episode import Episode, Tensor
from kmeta.layers.full_context import MOST_READS, QueryContext, SupportContext
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.learners.networks import check_layer
from kmeta.ops.attention import label_log_probabilities, masked_softmax
from kmeta.ops.distances import cosine_similarity
from kmeta.ops.padding import valid_items


@keras.saving.register_keras_serializable("kmeta")
class MatchingNetwork(MetricLearner):
    """Matching Networks: labels of the support set, weighted by attention.

    `P(y | x, S) = sum_i a(x, x_i) y_i`, `a = softmax_i(scale * cos(f(x), g(x_i)))`
    (Vinyals et al. 2016, equations 1 and 2). The logits are log-probabilities.

    Args:
        embedding: any Keras layer or model, `f'` (and `g'`), images to features
            `[batch, features]`.
        support_embedding: another one for the support set, `g'`. Default: `embedding` itself.
        full_context: embed support items and queries in the context of the support set, by a
            bidirectional LSTM and by an LSTM with attention (appendix A). The answer then depends
            on the order of the support set, as published.
        read_steps: reads of the support set for a query, K, with `full_context`; at most 1000.
        scale: factor of the cosines. 1 is the published form, under which no item of a one-shot
            task of 20 classes can have more than 0.28 of the attention; about 10 learns sooner.
        bn_mode: statistics of batch normalisation outside training, `"running"` or `"batch"`
            (transductive), see `MetricLearner`.

    Raises:
        ValueError: if an argument is none of those above.

    Example:
        >>> learner = kmeta.MatchingNetwork(keras.layers.Flatten(), scale=10.0)
        >>> x = np.eye(3, dtype="float32")
        >>> np.array(learner.adapt(x, [0, 1, 1])(x)).round(2)
        array([[1., 0.],
               [0., 1.],
               [0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        embedding: keras.Layer,
        support_embedding: keras.Layer | None = None,
        full_context: bool = False,
        read_steps: int = 3,
        scale: float = 1.0,
        bn_mode: str = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, **kwargs)
        check_layer("support_embedding", support_embedding, or_none=True)
        self.support_embedding = support_embedding
        self.full_context = true_or_false("full_context", full_context)
        self.read_steps = whole_number("read_steps", read_steps, most=MOST_READS)
        self.scale = positive("scale", scale)
        self.query_context = QueryContext(read_steps, dtype=self.dtype_policy)
        self.support_context = SupportContext(dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.support_embedding is not None:
            self.support_embedding(keras.KerasTensor((None, *self.image_shape)))
        if self.full_context:
            self.query_context.build((None, None, *self.feature_shape))
            self.support_context.build((None, None, *self.feature_shape))

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """`{"embedded": [tasks, items, features], "labels": [tasks, items, way]}`.

        With full context also `"plain"`, the embedded items of which it can be made anew.
        """
        if not self.full_context:
            return {"embedded": embedded, "labels": labels}
        in_context = self.support_context(embedded, valid_items(labels))
        return {"embedded": in_context, "labels": labels, "plain": embedded}

    def portable_state(self, state: dict[str, Any]) -> dict[str, Tensor]:
        """The embedded support items and their labels."""
        return super().portable_state({**state, "embedded": state.get("plain", state["embedded"])})

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        return label_log_probabilities(self.similarities(state, embedded), state["labels"])

    def similarities(self, state: dict[str, Any], embedded: Tensor) -> Tensor:
        """`scale * cos(f(x), g(x_i))` of embedded queries, `[tasks, queries, items]`."""
        support, labels = state["embedded"], state["labels"]
        if self.full_context:
            embedded = self.query_context(embedded, support, valid_items(labels))
        return self.scale * cosine_similarity(embedded, support)

    def attention(self, episode: Episode) -> Tensor:
        """How much each query attends to each support item: `a(x, x_i)` (equation 2).

        Args:
            episode: `Episode`.

        Returns:
            `[tasks, queries, items]`, rows that sum to 1; 0 for padding. Its product with the
            support labels is the probabilities that the learner predicts (equation 1).
        """
        with self.statistics():
            support, queries = self.embed_episode(episode)
        state = self.summarise(support, episode.support.y)
        valid = valid_items(state["labels"])
        return masked_softmax(self.similarities(state, queries), valid[:, None])

    def deployed_weights(self) -> list[keras.Variable]:
        return self.network.weights + self.query_context.weights

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "support_embedding": keras.saving.serialize_keras_object(self.support_embedding),
            "full_context": self.full_context,
            "read_steps": self.read_steps,
            "scale": self.scale,
        }
