"""What the metric-based learners share: embed, summarise the support set, compare queries."""

import contextlib
from typing import Any

import keras
from keras import ops

from kmeta.episode import Episode, Support, Tensor
from kmeta.layers.batch_normalization import batch_norm_statistics
from kmeta.learners.meta_learner import MetaLearner


class MetricLearner(MetaLearner):
    """A learner that compares embedded queries with what it keeps of the embedded support set.

    A subclass defines `summarise(embedded, labels, training)`, which returns the state, and
    `compare(state, embedded, training)`, which returns logits; `embedded` is
    `[tasks, items, ...]`, whatever the embedding returns for an item.

    bn_mode: `"running"`: outside training, batch normalisation uses its running statistics and a
    query's prediction depends on no other query. `"batch"`: it uses those of all images of the
    call, support and queries together (transductive). Training always uses the batch. Images that
    pad a support set count in the statistics of a batch, and nowhere else.

    support_embedding: another network for the support set, where a paper has one.
    views: looks at each support image, see `R2D2`.
    """

    support_embedding = None
    views = 1

    def __init__(self, embedding: keras.Layer, bn_mode: str = "running", **kwargs: Any) -> None:
        super().__init__(embedding, bn_mode, ("running", "batch"), **kwargs)

    @property
    def support_shape(self) -> Any:
        """Shape of what `embed_support` makes of an image; that of a query unless they differ."""
        return self.feature_shape

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """State, each tensor with a leading task axis, of an embedded support set."""
        raise NotImplementedError

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        """Logits `[tasks, queries, way]` of embedded queries."""
        raise NotImplementedError

    def portable_state(self, state: dict[str, Any]) -> dict[str, Tensor]:
        """A deployed state of one task in a form that grows, named tensors `[rows, ...]`.

        Either each row is a class, and a class is added by a row. Or each row is a support item,
        and one of the tensors is `labels`, one-hot `[items, way]`. What is made of the items
        together is left out: `restored_state` makes it anew.
        """
        if "labels" not in state:
            return {name: tensor[0] for name, tensor in state.items()}
        return {"embedded": state["embedded"][0], "labels": state["labels"][0]}

    def restored_state(self, tensors: dict[str, Tensor]) -> dict[str, Any]:
        """The state of one task, for `compare`, of its portable form."""
        if "labels" not in tensors:
            return {name: ops.expand_dims(tensor, 0) for name, tensor in tensors.items()}
        embedded, labels = tensors["embedded"], tensors["labels"]
        return self.summarise(ops.expand_dims(embedded, 0), ops.expand_dims(labels, 0))

    def adapt_state(
        self, support: Support, training: bool | None = False, deployed: bool = False
    ) -> dict[str, Any]:
        del deployed
        return self.summarise(self.embed_support(support.x, training), support.y, training)

    def classify(
        self, state: dict[str, Any], query_x: Tensor, training: bool | None = False
    ) -> Tensor:
        return self.compare(state, self.embed(query_x, training), training)

    def call(self, episode: Episode, training: bool | None = None) -> Tensor:
        with self.statistics():
            support, queries = self.embed_episode(episode, training)
            state = self.summarise(support, episode.support.y, training)
            return self.compare(state, queries, training)

    def statistics(self) -> Any:
        """While inside, batch normalisation works by the statistics that `bn_mode` names."""
        if self.bn_mode == "batch":
            return batch_norm_statistics(self, batch=True)
        return contextlib.nullcontext()

    def embed_episode(
        self, episode: Episode, training: bool | None = False
    ) -> tuple[Tensor, Tensor]:
        """Embedded support images and embedded queries, as `call` compares them.

        Both pass the embedding as one batch if they share it. Outside `call`, go inside
        `statistics()` for the learner's `bn_mode`.

        Returns:
            Two tensors `[tasks, items, ...]`, whatever the embedding returns for an item.
        """
        if not self.built:
            self.build(episode)
        support, query_x = episode
        if self.support_embedding is not None:
            return self.embed_support(support.x, training), self.embed(query_x, training)
        embedded = self.embed(ops.concatenate([support.x, query_x], axis=1), training)
        items = ops.shape(support.x)[1]  # Keras forgets sizes that change between calls
        return embedded[:, :items], embedded[:, items:]

    def embed_support(
        self, x: Tensor, training: bool | None = False, network: Any = None
    ) -> Tensor:
        """Embedded support images, see `MetaLearner.embed`."""
        return self.embed(x, training, self.support_embedding or network)
