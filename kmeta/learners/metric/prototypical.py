"""Prototypical Networks for Few-shot Learning (Snell, Swersky & Zemel 2017)."""

import keras
from keras import ops

from kmeta.layers.batch_normalization import batch_norm_statistics
from kmeta.learners.meta_learner import MetaLearner
from kmeta.ops.distances import cosine_similarity, squared_euclidean
from kmeta.ops.prototypes import class_means


@keras.saving.register_keras_serializable("kmeta")
class PrototypicalNetwork(MetaLearner):
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
        bn_mode: statistics of batch normalisation outside training. `"running"`, as published:
            a query's prediction depends on no other query. `"batch"`: on all images of the
            call, support and queries together (transductive). Training always uses the batch.

    Raises:
        ValueError: if an argument is none of those above.
    """

    def __init__(
        self,
        embedding,
        distance="squared_euclidean",
        scale=1.0,
        bn_mode="running",
        **kwargs,
    ):
        super().__init__(embedding, bn_mode, ("running", "batch"), **kwargs)
        if distance not in ("squared_euclidean", "cosine"):
            raise ValueError(
                "Argument `distance` must be 'squared_euclidean' or 'cosine'. "
                f"Received: distance={distance!r}"
            )
        if not scale > 0:
            raise ValueError(f"Argument `scale` must be positive. Received: scale={scale!r}")
        self.distance = distance
        self.scale = scale

    def adapt_state(self, support, training=False):
        """`{"prototypes": [tasks, way, features]}` of a support set."""
        return {"prototypes": class_means(self._embed(support.x, training), support.y)}

    def classify(self, state, query_x, training=False):
        """Logits `[tasks, queries, way]`."""
        return self._logits(self._embed(query_x, training), state["prototypes"])

    def call(self, episode, training=None):
        """Logits of an episode; support and queries pass the embedding as one batch."""
        support, query_x = episode
        images = ops.concatenate([support.x, query_x], axis=1)
        if self.bn_mode == "batch":
            with batch_norm_statistics(self.network, batch=True):
                embedded = self._embed(images, training)
        else:
            embedded = self._embed(images, training)
        items = support.x.shape[1]
        prototypes = class_means(embedded[:, :items], support.y)
        return self._logits(embedded[:, items:], prototypes)

    def _embed(self, x, training):
        tasks, items = ops.shape(x)[:2]
        embedded = self.network(ops.reshape(x, (-1, *x.shape[2:])), training=training)
        return ops.reshape(embedded, (tasks, items, embedded.shape[-1]))

    def _logits(self, embedded, prototypes):
        if self.distance == "cosine":
            return self.scale * cosine_similarity(embedded, prototypes)
        return -self.scale * squared_euclidean(embedded, prototypes)

    def get_config(self):
        return {**super().get_config(), "distance": self.distance, "scale": self.scale}
