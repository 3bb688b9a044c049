"""Meta-Learning with Memory-Augmented Neural Networks (Santoro et al. 2016)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kmeta.checks import one_of, positive, true_or_false, whole_number
from kmeta.data.strings import ALPHABET, LABELS, LETTERS, STRINGS, one_hot
from kmeta.episode import Episode, Sequence, Support, Tensor
from kmeta.layers.memory_cell import MemoryCell
from kmeta.learners.meta_learner import MetaLearner
from kmeta.learners.networks import check_vectors
from kmeta.ops.padding import last_item, padding_last, valid_items

BASELINE_UNITS = 200


@keras.saving.register_keras_serializable("kmeta")
class MemoryAugmentedNetwork(MetaLearner):
    """MANN: a recurrent network with an external memory that binds images to labels as they come.

    At step t the network sees an image `x_t` and the label `y_{t-1}` of the one before, and
    predicts `y_t` (Santoro et al. 2016, section 2): it must keep the image until its label comes,
    and find both again when the class comes back. The memory is `kmeta.layers.MemoryCell`.

    It is trained on `(Sequence(x, previous_y), y)`, such as `kmeta.data.SequenceEpisodes`, as
    published, with a loss at every step. `fit` on `(Episode, query_y)` is possible too.

    Input: `Sequence`, for logits `[tasks, steps, way]`; or `Episode`, for logits
    `[tasks, queries, way]`: the network reads the support set as a sequence, in its order, and each
    query is one more step after it, which neither the other queries nor the memory notice. As it
    was trained on classes in random order, give support sets in random order.

    Args:
        embedding: any Keras layer or model, images `[batch, ...]` to features `[batch, features]`.
            `keras.layers.Flatten()` is the published one.
        way: classes of a task, with one-hot labels.
        cell: `"memory"` for the published `MemoryCell()`; `"lstm"` for the paper's baseline
            without memory, `keras.layers.LSTMCell(200)`; or any cell of `keras.layers.RNN`.
        labels: `"one_hot"`, or `"strings"` of five letters out of five (section 4.1.1). The network
            then predicts letters, logits `[tasks, steps, 5, 5]` of a `Sequence`, and tasks may have
            any way up to 3125: those of an `Episode` get strings of their own, and the logits of
            its classes are the sums of their letters' log-probabilities.
        scale: of the cosines by which `cell="memory"` is read. 1 is the published form; with about
            8 it learns sooner. A cell of your own has its own.
        standardize: move and scale every feature of the embedding to mean 0 and variance 1, by a
            batch normalisation without weights. Features that are never negative, such as those of
            Conv-4, are much alike for a controller otherwise.
        bn_mode: statistics of batch normalisation outside training, `"running"`.

    Raises:
        ValueError: if an argument is none of those above, or labels have another `way`.

    Example:
        >>> learner = kmeta.MemoryAugmentedNetwork(keras.layers.Flatten(), way=3)
        >>> x, previous_y = np.zeros((2, 9, 4), "float32"), np.zeros((2, 9, 3), "float32")
        >>> learner(kmeta.Sequence(x, previous_y)).shape
        TensorShape([2, 9, 3])
        >>> learner.adapt(np.eye(4, dtype="float32")[:3], ["a", "b", "c"]).class_names
        ['a', 'b', 'c']
    """

    input_types = (Episode, Sequence)

    def __init__(
        self,
        embedding: keras.Layer,
        way: int = 5,
        cell: str | keras.Layer = "memory",
        labels: str = "one_hot",
        scale: float = 1.0,
        standardize: bool = False,
        bn_mode: str = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding, bn_mode, ("running",), **kwargs)
        self.way = way = whole_number("way", way, 2)
        self.labels = labels = one_of("labels", labels, LABELS)
        self.scale = scale = positive("scale", scale)
        if scale != 1.0 and cell != "memory":
            raise ValueError(
                "Argument `scale` goes with cell='memory'. "
                f"Received: scale={scale!r}, cell={cell!r}"
            )
        self.cell = cell
        self.standardize = true_or_false("standardize", standardize)
        if cell == "memory":
            cell = MemoryCell(scale=scale, dtype=self.dtype_policy)
        elif cell == "lstm":
            cell = keras.layers.LSTMCell(BASELINE_UNITS, dtype=self.dtype_policy)
        if not isinstance(cell, keras.Layer) or not hasattr(cell, "state_size"):
            raise ValueError(
                "Argument `cell` must be 'memory', 'lstm', or a cell of keras.layers.RNN. "
                f"Received: cell={cell!r}"
            )
        self.symbols = way if labels == "one_hot" else LETTERS * ALPHABET
        self.rnn = keras.layers.RNN(
            cell,
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=True,  # Keras on JAX needs it: outputs are no states here
            dtype=self.dtype_policy,
            name="rnn",
        )
        self.normalization = keras.layers.BatchNormalization(
            momentum=0.9, center=False, scale=False, dtype=self.dtype_policy, name="normalization"
        )
        self.head = keras.layers.Dense(self.symbols, dtype=self.dtype_policy, name="head")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        check_vectors(self.feature_shape)
        if self.standardize and not self.normalization.built:
            self.normalization.build((None, None, *self.feature_shape))
        if not self.rnn.built:
            seen = (None, None, self.feature_shape[0] + self.symbols)
            self.rnn.build(seen)
            self.head.build((None, self.rnn.compute_output_shape(seen)[0][-1]))

    def deployed_weights(self) -> list[keras.Variable]:
        layers = (self.network, self.normalization, self.rnn.cell, self.head)
        return [weight for layer in layers for weight in layer.weights]

    def features(self, x: Tensor, training: bool | None = False) -> Tensor:
        """Images `[tasks, items, ...]` as the controller sees them: `[tasks, items, features]`."""
        embedded = self.embed(x, training)
        if self.standardize:
            return self.normalization(embedded, training=training)
        return embedded

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not isinstance(inputs, Sequence):
            return super().call(inputs, training)
        logits = self.head(self.rnn(self._seen(inputs, training), training=training)[0])
        if self.labels == "one_hot":
            return logits
        return ops.reshape(logits, (*ops.shape(logits)[:2], LETTERS, ALPHABET))

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getattr(x, "labels", None), str):  # as `SequenceEpisodes` has them
            self.check_labels(x.labels)
        return super().fit(x, *args, **kwargs)

    def check_labels(self, labels: str) -> None:
        """Raise ValueError unless sequences have the learner's kind of `labels`."""
        if labels != self.labels:
            raise ValueError(
                f"The learner predicts labels={self.labels!r}. Received: sequences with "
                f"labels={labels!r}"
            )

    def memory_weights(self, sequence: Sequence) -> dict[str, Tensor]:
        """Where in its memory the network writes and reads at each step of a `Sequence`.

        Returns:
            `{"write": w^w, "read": w^r, "usage": w^u}` (Santoro et al. 2016, equations 5 to 7), the
            first two `[tasks, steps, heads, slots]`, the last `[tasks, steps, slots]`.

        Raises:
            ValueError: if the cell is none with such a memory.
        """
        if not isinstance(self.rnn.cell, MemoryCell):
            raise ValueError(
                "Only a network with cell='memory', or another MemoryCell, has such weights. "
                f"Received: a network with cell={self.cell!r}"
            )
        if not self.built:
            self.build(sequence)
        return self.rnn.cell.trace(self._seen(sequence, training=False))

    def _seen(self, sequence, training):
        """What the controller sees of a `Sequence`: features, and the label of the step before."""
        if sequence.previous_y.shape[-1] not in (None, self.symbols):
            raise ValueError(
                f"The network takes labels of {self.symbols} numbers, one-hot or letter by letter. "
                f"Received: previous_y.shape={tuple(sequence.previous_y.shape)}"
            )
        shown = ops.cast(sequence.previous_y, self.compute_dtype)
        return ops.concatenate([self.features(sequence.x, training), shown], axis=-1)

    def adapt_state(
        self, support: Support, training: bool | None = False, deployed: bool = False
    ) -> dict[str, Any]:
        """The state after a support set, read in its order.

        `{"cell": [...], "previous_y": [tasks, symbols], "names": [tasks, way, symbols]}`: the
        states of the cell, the label of the last item, and how the network spells each class.
        """
        names = self._names(support.y)
        y = ops.matmul(ops.cast(support.y, names.dtype), names)
        x = self.features(support.x, training)
        (x, y), valid = padding_last((x, y), valid_items(support.y))
        previous_y = ops.pad(y, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        seen = ops.concatenate([x, previous_y], axis=-1)
        _, *cell = self.rnn(seen, mask=valid, training=training)
        return {"cell": cell, "previous_y": last_item(y, valid), "names": names}

    def classify(
        self, state: dict[str, Any], query_x: Tensor, training: bool | None = False
    ) -> Tensor:
        """Logits `[tasks, queries, way]`: for each query, one step of the cell from the state."""
        embedded = self.features(query_x, training)
        tasks, queries, features = *ops.shape(embedded)[:2], embedded.shape[-1]

        def for_each_query(x):
            size = x.shape[-1]
            return ops.reshape(
                ops.broadcast_to(ops.expand_dims(x, 1), (tasks, queries, size)), (-1, size)
            )

        seen = [ops.reshape(embedded, (-1, features)), for_each_query(state["previous_y"])]
        cell = [for_each_query(x) for x in state["cell"]]
        output, _ = self.rnn.cell(ops.concatenate(seen, axis=-1), cell, training=training)
        logits = self.head(output)
        if self.labels == "strings":
            letters = ops.log_softmax(ops.reshape(logits, (-1, LETTERS, ALPHABET)), axis=-1)
            logits = ops.reshape(letters, (-1, self.symbols))
        logits = ops.reshape(logits, (tasks, queries, self.symbols))
        return ops.matmul(logits, ops.swapaxes(state["names"], 1, 2))

    def _names(self, labels):
        """How the network spells each class of one-hot `labels`, `[tasks, way, symbols]`."""
        tasks, way = ops.shape(labels)[0], labels.shape[-1]
        if self.labels == "strings":
            numbers = np.random.default_rng(0).permutation(STRINGS)
            names = ops.convert_to_tensor(one_hot(numbers), self.compute_dtype)
            names = names[: ops.shape(labels)[-1]]
        elif way is None or way == self.way:
            names = ops.eye(self.way, dtype=self.compute_dtype)
        else:
            raise ValueError(
                f"The network predicts {self.way} classes, but the support set has {way}. Give it "
                "`way` as the tasks have classes, or `labels='strings'` for any number"
            )
        return ops.broadcast_to(names, (tasks, *ops.shape(names)))

    def accuracy(self) -> Any:
        """Share of right labels; a string is right if all its letters are."""
        return LabelAccuracy()

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "way": self.way,
            "cell": keras.saving.serialize_keras_object(self.cell),
            "labels": self.labels,
            "scale": self.scale,
            "standardize": self.standardize,
        }


@keras.saving.register_keras_serializable("kmeta")
class LabelAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of right labels; a label of several letters is right if all of them are."""

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(_hits, name=name, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


def _hits(y_true, y_pred):
    right = ops.equal(ops.cast(y_true, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32"))
    if len(right.shape) == 3:
        right = ops.all(right, axis=-1)
    return ops.cast(right, "float32")
