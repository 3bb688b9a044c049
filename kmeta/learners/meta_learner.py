"""What all learners share: support set -> state -> predictions for queries, P(y | x, S)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kmeta.checks import one_of
from kmeta.data.images import to_float
from kmeta.episode import Episode, Support, Tensor
from kmeta.learners.allocator import freed_memory_kept
from kmeta.learners.classifier import Classifier
from kmeta.learners.finite import SavedFinite
from kmeta.learners.labels import labels_and_names
from kmeta.learners.networks import options_of, shape_text
from kmeta.learners.restoring import as_configuration, restored, restored_shape
from kmeta.learners.streams import at_epoch, image_shape_of, rewound
from kmeta.ops import differentiation


class MetaLearner(SavedFinite):
    """Base class of every learner: a Keras model called on an `Episode`.

    A learner defines `adapt_state(support, training, deployed)`, which returns the state (a dict of
    tensors, or of lists of tensors, each with a leading task axis), and
    `classify(state, query_x, training)`, which returns logits. `network` is the model it was given
    as first argument.

    Input: `Episode(Support(x, y), query_x)`, see `kmeta.Support`, or another one of `input_types`.
    Output: logits `[tasks, queries, way]`.

    Example:
        >>> class Nearest(kmeta.MetaLearner):
        ...     def adapt_state(self, support, training=False, deployed=False):
        ...         return {"x": self.embed(support.x), "y": support.y}
        ...
        ...     def classify(self, state, query_x, training=False):
        ...         closeness = ops.matmul(self.embed(query_x), ops.swapaxes(state["x"], 1, 2))
        ...         return ops.matmul(closeness, state["y"])
        >>> learner = Nearest(keras.layers.Flatten(), "none", ("none",))
        >>> x = np.eye(3, dtype="float32")
        >>> np.argmax(learner.adapt(x, ["a", "b", "c"])(x), -1)
        array([0, 1, 2])
    """

    input_types = (Episode,)

    def __init__(
        self, network: keras.Layer, bn_mode: str, bn_modes: Sequence[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(network, keras.Layer):
            raise ValueError(
                f"The first argument of {type(self).__name__} must be a Keras layer or model. "
                f"Received: {network!r} of type {type(network).__name__}"
            )
        self.network = network
        self.bn_mode = one_of("bn_mode", bn_mode, bn_modes)
        self.image_shape = self.feature_shape = None

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name in options_of(type(self)) and getattr(self, "built", False):
            # Keras would go on with functions traced for the old value
            self.train_function = self.test_function = self.predict_function = None

    def adapt_state(
        self, support: Support, training: bool | None = False, deployed: bool = False
    ) -> dict[str, Any]:
        """What the learner takes from a support set, with a leading task axis.

        deployed: for an adapted classifier, whose predictions never depend on the batch.
        """
        raise NotImplementedError

    def classify(
        self, state: dict[str, Any], query_x: Tensor, training: bool | None = False
    ) -> Tensor:
        """Logits `[tasks, queries, way]` of queries `[tasks, queries, ...]`."""
        raise NotImplementedError

    @property
    def deployed_bn_mode(self) -> str:
        """Statistics of batch normalisation in an adapted classifier."""
        return "running"

    def deployed_weights(self) -> list[keras.Variable]:
        """The learner's own weights that `classify` reads beside the state."""
        return self.network.weights

    def call(self, episode: Episode, training: bool | None = None) -> Tensor:
        state = self.adapt_state(episode.support, training)
        return self.classify(state, episode.query_x, training)

    def build(self, input_shape: Any) -> None:
        """Build for an episode's shapes, or for the shape of one image, as `(height, width, 1)`.

        Fitting, saving and adapting build a learner by themselves; call this to count or load
        weights before.
        """
        if isinstance(input_shape, self.input_types):
            input_shape = input_shape.image_shape
        self.image_shape = tuple(int(size) for size in input_shape)
        self.feature_shape = self.network(keras.KerasTensor((None, *self.image_shape))).shape[1:]
        if not self.network.trainable:  # Keras passes a change on to parts, and no first value
            self.network.trainable = True
            self.network.trainable = False
        self.built = True

    @property
    def crop(self) -> float | None:
        """What is taken of a photograph: a share of its shorter side, a square in the middle, or
        None for the whole picture, resized without regard to its proportions.

        A layer of the network says so by its attribute `crop`, as `kmeta.layers.EfficientNetLite0`.
        """
        found = [getattr(layer, "crop", None) for layer in self.network._flatten_layers()]
        return next((crop for crop in found if isinstance(crop, float)), None)

    def get_build_config(self) -> dict[str, Any]:
        return {"image_shape": self.image_shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        if config.get("image_shape") is not None:
            self.build(restored_shape(config["image_shape"]))

    def embed(self, x: Tensor, training: bool | None = False, network: Any = None) -> Tensor:
        """`[tasks, items, ...]` embedded images, as one batch of all tasks."""
        tasks, items = ops.shape(x)[:2]
        network = network or self.network
        embedded = network(ops.reshape(x, (-1, *x.shape[2:])), training=training)
        items = -1 if isinstance(tasks, int) else items  # a smaller graph to export
        return ops.reshape(embedded, (tasks, items, *embedded.shape[1:]))

    def default_loss(self) -> keras.losses.Loss:
        """The loss of the paper, on `query_y` and logits."""
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, dtype=self.variable_dtype
        )

    def accuracy(self) -> Any:
        """What the metric "accuracy" stands for: an object, whose variables are there before a
        step is traced, as TensorFlow traces twice what makes variables."""
        return keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Keras' `compile`; by default the paper's loss (cross-entropy), and accuracy.

        Raises:
            ValueError: if `loss` is a classification loss by name, which would take the logits
                for probabilities.
        """
        if isinstance(loss, str) and "crossentropy" in loss:
            raise ValueError(
                "Learners return logits: pass `loss=None` for the default, or a loss with "
                f"`from_logits=True`. Received: loss={loss!r}, which expects probabilities"
            )
        if loss is None:
            loss = self.default_loss()
            metrics = ["accuracy"] if metrics is None else metrics
        if isinstance(metrics, (list, tuple)):
            metrics = [self.accuracy() if metric == "accuracy" else metric for metric in metrics]
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**restored(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: Any = None,
        epochs: int = 1,
        verbose: str = "auto",
        callbacks: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Keras' `fit` on `Episodes`, any data set of `(Episode, query_y)`, or arrays of the two.

        Builds the learner and its optimizer first, so that both are saved whole. `Episodes` come
        in their own order, so that training repeats exactly. Where training goes on with a later
        epoch, by `initial_epoch` or `keras.callbacks.BackupAndRestore`, they are that epoch's.

        Raises:
            ValueError: if the learner is not built and `x` is a generator, whose shapes cannot be
                known before it runs.
        """
        with differentiation.strategy_scope(self):  # Keras trains in it
            if not self.built:
                self.build(image_shape_of(x, self.input_types))
            if self.compiled and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
        if hasattr(x, "epoch") and not args:  # validation_split and shuffle may follow by position
            kwargs.setdefault("shuffle", False)
        callbacks = at_epoch(x, callbacks)
        with freed_memory_kept():
            return super().fit(x, y, batch_size, epochs, verbose, callbacks, *args, **kwargs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Keras' `evaluate`; `Episodes` are scored from their first one on, the same every time."""
        with rewound(x):
            callbacks = at_epoch(x, callbacks, 0)
            return super().evaluate(
                x, y, batch_size, verbose, sample_weight, steps, callbacks, **kwargs
            )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Keras' `predict`; `Episodes` are predicted from their first one on."""
        with rewound(x):
            return super().predict(x, batch_size, verbose, steps, at_epoch(x, callbacks, 0))

    def adapt(
        self, support_x: ArrayLike, support_y: ArrayLike, class_names: Sequence[str] | None = None
    ) -> Classifier:
        """Learn the classes of a support set; the learner itself stays as it is.

        Args:
            support_x: `[items, ...]`, float in [0, 1] or uint8.
            support_y: `[items]` integers 0 to way - 1, or names; names are sorted.
            class_names: `way` names, in the order of the integers. Default: the names in
                `support_y`, or the integers as text.

        Returns:
            A `Classifier`: images `[batch, ...]` to probabilities `[batch, way]`.

        Raises:
            ValueError: if lengths, shapes, labels or names do not fit.
        """
        images = to_float(support_x, "support_x")
        labels, class_names = labels_and_names(support_y, class_names, len(images))
        if self.image_shape is None:
            self.build(images.shape[1:])
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"Argument `support_x` must have the shape {shape_text('items', *self.image_shape)}"
                f" for which the learner was built. Received: support_x.shape={images.shape}"
            )
        one_hot = np.eye(len(class_names), dtype="float32")[labels]
        support = Support(ops.convert_to_tensor(images[None]), ops.convert_to_tensor(one_hot[None]))
        return Classifier(self, self.adapt_state(support, deployed=True), class_names)

    def with_options(self, **options: Any) -> Any:
        """A copy with the same weights and other constructor arguments, not compiled.

        `learner.with_options(bn_mode="batch")` scores a trained learner by other statistics. A
        network given as an option gets the learner's weights too.

        Raises:
            ValueError: as the constructor, and if the options ask for weights of other shapes.
        """
        other = type(self).from_config({**self.get_config(), **options})
        if self.built:
            other.build(self.image_shape)
            if [w.shape for w in other.weights] != [w.shape for w in self.weights]:
                given = ", ".join(f"{name}={value!r}" for name, value in options.items())
                raise ValueError(
                    "A copy keeps the weights, so its options must not change their number or "
                    f"shapes: make a new {type(self).__name__} instead. Received: {given}"
                )
            other.set_weights(self.get_weights())
        return other

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "bn_mode": self.bn_mode,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        with as_configuration(cls.__name__):
            parts = {name: restored(value) for name, value in config.items()}
            return cls(parts.pop("network"), **parts)
