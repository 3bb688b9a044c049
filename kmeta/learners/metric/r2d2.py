"""R2-D2: meta-learning with differentiable closed-form solvers (Bertinetto et al. 2019)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import is_finite, positive, true_or_false, whole_number
from kmeta.episode import Episode, Tensor
from kmeta.learners.metric.metric_learner import MetricLearner
from kmeta.learners.networks import check_vectors
from kmeta.ops.ridge import Ridge, ridge_regression, ridge_scores, ridge_variance
from kmeta.ops.views import MOST, views


@keras.saving.register_keras_serializable("kmeta")
class R2D2(MetricLearner):
    """R2-D2, the Ridge Regression Differentiable Discriminator: ridge regression to the classes.

    `W = X^T (X X^T + lam * trace(X X^T) / n * I)^-1 (Y - 1 / way)`, logits
    `scale * ((x - m) W - doubt * v(x))` (Bertinetto et al. 2019, equations 4 and 6), where x are
    unit vectors, m is their mean and v is the variance of the Gaussian process whose mean the
    regression is, see `kmeta.ops.ridge`. It uses how features vary together, which a mean of each
    class does not.

    Args:
        embedding: any Keras layer or model, images `[batch, ...]` to features
            `[batch, features]`.
        lam: how much the regression is held back, relative to the mean squared length of support
            items around their mean; above 0. From 0.03 to 0.3 it hardly matters.
        scale: factor of the logits; above 0. Scores lie between about -1 / way and 1; 16 makes
            probabilities of them that are near to the shares that are right (photographs, 1 to 10
            shots).
        doubt: weight of the variance, at least 0. It is taken from all logits of a query alike and
            so changes no probability; but the largest logit then tells better whether a query is of
            a known class at all (see `kmeta.Classifier`). Chosen among 0 to 0.3, and cosines to the
            nearest support item, over random tasks of photographs.
        views: looks at each support image, 1 to 5: as a whole, and its corners enlarged, see
            `kmeta.ops.views`. Each is an item of its own. Queries are seen as a whole only, so that
            answers take no longer. Above 1 it is for pictures.
        many: whether graphs that do not know the number of support items, such as exported ones,
            expect more of them than there are features. It changes time and memory, and no answer.
        bn_mode: statistics of batch normalisation outside training, `"running"` or `"batch"`
            (transductive), see `MetricLearner`.

    Deviations: the paper regresses features as they are and learns lam, the scale and an offset;
    here features are centred and of unit length, lam is relative to them, and both are arguments.
    The paper has no variance and no views.

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
        doubt: float = 0.18,
        views: int = 1,
        many: bool = False,
        bn_mode: str = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, **kwargs)
        self.lam = positive("lam", lam)
        self.scale = positive("scale", scale)
        if not is_finite(doubt) or doubt < 0:
            raise ValueError(
                f"Argument `doubt` must be a number of at least 0. Received: doubt={doubt!r}"
            )
        self.doubt = float(doubt)
        self.views = whole_number("views", views)
        self.many = true_or_false("many", many)
        if self.views > MOST:
            raise ValueError(f"Argument `views` must be from 1 to {MOST}. Received: views={views}")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        check_vectors(self.feature_shape)
        if self.views > 1 and len(self.image_shape) != 3:
            raise ValueError(
                "Argument `views` must be 1 unless images are [height, width, channels]. "
                f"Received: views={self.views} and images of {self.image_shape}"
            )

    @property
    def support_shape(self) -> Any:
        return (self.views, *self.feature_shape) if self.views > 1 else self.feature_shape

    def embed_support(
        self, x: Tensor, training: bool | None = False, network: Any = None
    ) -> Tensor:
        """Features `[tasks, items, features]`, or with several views `[tasks, items, views,
        features]`; an image at a time then, which bounds memory."""
        if self.views == 1:
            return super().embed_support(x, training, network)
        network = network or self.network

        def look(image: Tensor) -> Tensor:
            return network(views(image[None], self.views)[0], training=training)

        embedded = ops.map(look, ops.reshape(x, (-1, *x.shape[2:])))
        return ops.reshape(embedded, (ops.shape(x)[0], -1, *self.support_shape))

    def embed_episode(
        self, episode: Episode, training: bool | None = False
    ) -> tuple[Tensor, Tensor]:
        if self.views == 1:
            return super().embed_episode(episode, training)
        if not self.built:
            self.build(episode)
        support, query_x = episode
        return self.embed_support(support.x, training), self.embed(query_x, training)

    def summarise(
        self, embedded: Tensor, labels: Tensor, training: bool | None = False
    ) -> dict[str, Any]:
        """`embedded`, of `embed_support`, and `labels [tasks, items, way]`, from which classes can
        be learned again, and what they were learned as, see `kmeta.ops.ridge.Ridge`."""
        found = ridge_regression(*self._rows(embedded, labels), self.lam, self.many)
        return {"embedded": embedded, "labels": labels, **found._asdict()}

    def compare(
        self, state: dict[str, Any], embedded: Tensor, training: bool | None = False
    ) -> Tensor:
        scores = ridge_scores(embedded, state["mean"], state["weights"])
        if self.doubt:
            scores -= self.doubt * ops.expand_dims(self.variance(state, embedded), -1)
        return self.scale * scores

    def variance(self, state: dict[str, Any], embedded: Tensor) -> Tensor:
        """How little is known of each query, `[tasks, queries]`, see
        `kmeta.ops.ridge.ridge_variance`."""
        found = Ridge(*(state[name] for name in Ridge._fields))
        rows = self._rows(state["embedded"], state["labels"])
        return ridge_variance(embedded, *rows, found)

    def _rows(self, embedded: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Every view as an item of its own."""
        if self.views == 1:
            return embedded, labels
        tasks, way = ops.shape(labels)[0], ops.shape(labels)[-1]
        items = embedded.shape[1]
        rows = -1 if items is None else items * self.views
        copies = ops.ones((self.views, 1), dtype=labels.dtype)
        labels = ops.expand_dims(labels, 2) * copies
        return (
            ops.reshape(embedded, (tasks, rows, *self.feature_shape)),
            ops.reshape(labels, (tasks, rows, way)),
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "lam": self.lam,
            "scale": self.scale,
            "doubt": self.doubt,
            "views": self.views,
            "many": self.many,
        }
