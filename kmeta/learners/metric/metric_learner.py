"""What the metric-based learners share: embed, summarise the support set, compare queries."""

from keras import ops

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
    """

    def __init__(self, embedding, bn_mode="running", **kwargs):
        super().__init__(embedding, bn_mode, ("running", "batch"), **kwargs)

    def summarise(self, embedded, labels, training=False):
        """State, each tensor with a leading task axis, of an embedded support set."""
        raise NotImplementedError

    def compare(self, state, embedded, training=False):
        """Logits `[tasks, queries, way]` of embedded queries."""
        raise NotImplementedError

    def adapt_state(self, support, training=False):
        return self.summarise(self.embed(support.x, training), support.y, training)

    def classify(self, state, query_x, training=False):
        return self.compare(state, self.embed(query_x, training), training)

    def call(self, episode, training=None):
        """Logits of an episode; support and queries pass the embedding as one batch."""
        support, query_x = episode
        images = ops.concatenate([support.x, query_x], axis=1)
        if self.bn_mode == "batch":
            with batch_norm_statistics(self.network, batch=True):
                embedded = self.embed(images, training)
        else:
            embedded = self.embed(images, training)
        items = support.x.shape[1]
        state = self.summarise(embedded[:, :items], support.y, training)
        return self.compare(state, embedded[:, items:], training)

    def embed(self, x, training=False):
        """`[tasks, items, ...]` embedded images, as one batch of all tasks."""
        tasks, items = ops.shape(x)[:2]
        embedded = self.network(ops.reshape(x, (-1, *x.shape[2:])), training=training)
        return ops.reshape(embedded, (tasks, items, *embedded.shape[1:]))
