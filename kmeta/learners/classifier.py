"""What `adapt` returns: an ordinary Keras model for the classes of one support set."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from kmeta.edge.images import to_float
from kmeta.edge.scoring import UNKNOWN
from kmeta.episode import Tensor
from kmeta.learners.classifier_inputs import check_images, check_options, sound
from kmeta.learners.finite import SavedFinite
from kmeta.learners.restoring import as_configuration, restored
from kmeta.ops import differentiation, scoring

CERTAIN = (0.0, 100.0)  # slope and offset whose sigmoid is 1
BATCH = 64  # images that `label` looks at together


@keras.saving.register_keras_serializable("kmeta")
class Classifier(SavedFinite):
    """A learner adapted to one support set: images in, probabilities out.

    Holds copies of all it needs as constants, so that training the learner further does not change
    it, and of all that adapting again needs, which `kmeta.export` offers beside. Save it with
    `classifier.save("name.keras")`, deploy it with `kmeta.export`.

    Input: `[batch, ...]` float images in [0, 1], or uint8.
    Output: probabilities `[batch, way]`, columns in the order of `class_names`. Of an image whose
    pixels are no such numbers they are NaN where an error cannot be raised, inside a graph.

    It computes in float32 whatever the policy that is set for training; the learner keeps its own.

    temperature: divides the logits; above 1 for a learner that is surer than it is right.
    threshold: `label` calls an image "unknown" whose score is below; 0 for never.
        The score is the largest probability times how likely the image is of a known class at all,
        see `kmeta.ops.scoring.answers`.
    familiarity: `(slope, offset)` of the latter, `sigmoid(slope * largest logit + offset)`; by
        default it is 1. `kmeta.FewShotClassifier.calibrate` fits it: probabilities alone, which
        compare the classes with one another, tell little of images that are far from all of them.

    Raises:
        ValueError: if `temperature`, `threshold` or `familiarity` is out of range, or a class is
            called "unknown" where images may be called that too. At the first use or at loading, if
            the number of names is not that of the classes.

    Example:
        >>> network = keras.Sequential([keras.layers.Flatten()])
        >>> images = np.array([[[0.0, 0.0]], [[1.0, 1.0]]])
        >>> classifier = kmeta.PrototypicalNetwork(network).adapt(images, ["dark", "light"])
        >>> classifier.predict(0.8 * images + 0.1, verbose=0).round(2)
        array([[0.83, 0.17],
               [0.17, 0.83]], dtype=float32)
        >>> classifier.with_options(threshold=0.9).label(images * 0.4)[0]
        ['unknown', 'unknown']
    """

    def __init__(
        self,
        learner: Any,
        state: Any,
        class_names: Sequence[str],
        temperature: float = 1.0,
        threshold: float = 0.0,
        familiarity: tuple[float, float] = CERTAIN,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, dtype="float32", autocast=False, **kwargs)
        check_options(temperature, threshold, familiarity, class_names)
        self._get_learner = lambda: learner  # hidden from Keras: only the copies below are weights
        self._class_names = tuple(map(str, class_names))
        self.temperature = float(temperature)
        self.threshold = float(threshold)
        self.familiarity = tuple(map(float, familiarity))
        self.image_shape = learner.image_shape
        self._structure = tree.pack_sequence_as(state, list(range(len(tree.flatten(state)))))
        self._state = [self._constant(f"state_{i}", x) for i, x in enumerate(tree.flatten(state))]
        self._weights_copy = [
            self._constant(f"weight_{i}", x) for i, x in enumerate(_weights(learner))
        ]
        self.build((None, *self.image_shape))

    def build(self, input_shape: Any) -> None:
        """Nothing to make; `export` asks what the images are like."""
        del input_shape
        self.built = True

    def _constant(self, name, value):
        dtype = keras.backend.standardize_dtype(value.dtype)
        variable = self.add_weight(
            shape=value.shape, dtype=dtype, initializer="zeros", trainable=False, name=name
        )
        # a copy, since on JAX training gives away the memory of the weights that it begins with
        variable.assign(ops.copy(ops.convert_to_tensor(value)))
        return variable

    @property
    def class_names(self) -> list[str]:
        """Names of the columns of the output; a list of its own, which changes nothing here."""
        return list(self._class_names)

    @property
    def learner(self) -> Any:
        """The learner that was adapted."""
        return self._get_learner()

    @property
    def crop(self) -> float | None:
        """What is taken of a photograph, see the learner."""
        return self.learner.crop

    @property
    def bn_mode(self) -> str:
        """The statistics by which batch normalisation works, see the learner."""
        return self.learner.deployed_bn_mode

    @property
    def state(self) -> Any:
        """The adapted state, tensors with a leading axis of one task."""
        return tree.map_structure(ops.convert_to_tensor, self.held_state)

    @property
    def held_state(self) -> Any:
        """The same as variables, of which a graph reads those only that it needs."""
        return tree.pack_sequence_as(self._structure, self._state)

    @property
    def can_grow(self) -> bool:
        """Whether classes can be added, see `MetricLearner.portable_state`."""
        return hasattr(self.learner, "portable_state")

    def own_weights(self) -> AbstractContextManager[Any]:
        """While inside, the learner computes with this classifier's copies of its weights."""
        return keras.StatelessScope(zip(_weights(self.learner), self._weights_copy, strict=True))

    def logits(self, images: Tensor) -> Tensor:
        """Logits `[batch, way]` float32, not divided by the temperature.

        Raises:
            ValueError: if images have another shape, are integers other than uint8, or hold
                anything but numbers in [0, 1].
        """
        images = ops.convert_to_tensor(images)
        dtype = keras.backend.standardize_dtype(images.dtype)
        check_images(images.shape, dtype, self.image_shape)
        images = ops.cast(images, "float32")
        if dtype == "uint8":
            images = images / 255.0
        elif differentiation.is_known(images):
            to_float(ops.convert_to_numpy(images), "images")
        state = self.state  # read outside: there Keras may keep values of its own
        with self.own_weights():
            logits = self.learner.classify(state, ops.expand_dims(images, 0), training=False)
        logits = ops.cast(ops.squeeze(logits, 0), "float32")
        if logits.shape[-1] not in (None, len(self.class_names)):
            raise ValueError(
                f"Argument `class_names` must have {logits.shape[-1]} names, one a class. "
                f"Received: {len(self.class_names)}, {self.class_names}"
            )
        return logits

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        del training
        probabilities, _, _ = scoring.answers(self.logits(images), **self.settings)
        images = ops.convert_to_tensor(images)
        if differentiation.is_known(images) or not keras.backend.is_float_dtype(images.dtype):
            return probabilities
        valid = sound(ops.cast(images, "float32"))
        return ops.where(ops.expand_dims(valid, -1), probabilities, np.nan)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        """Keras' `predict`: probabilities `[n, way]` of an array of images, or a data set of them.

        Raises:
            ValueError: as `logits`.
        """
        if hasattr(x, "shape") and keras.backend.is_float_dtype(getattr(x, "dtype", "string")):
            to_float(ops.convert_to_numpy(x), "x")
        found = super().predict(x, *args, **kwargs)
        if np.isnan(found).any():
            raise ValueError(
                "Argument `x` must hold uint8 or finite floats in [0, 1], and the classifier must "
                "be sound. Received: images for which probabilities are not numbers"
            )
        return found

    def answers(self, images: Tensor) -> tuple[np.ndarray, list[str], list[float]]:
        """`(probabilities, labels, scores)`: an array `[n, way]` and two lists.

        The label is that of the likeliest class, or "unknown" where the score is below
        `threshold`.

        Args:
            images: `[n, *image_shape]`, float in [0, 1] or uint8.

        Raises:
            ValueError: if images have another shape or are none of these.
        """
        images = to_float(images, "images", self.image_shape)
        parts = []
        for start in range(0, len(images), BATCH):
            logits = self.logits(images[start : start + BATCH])
            parts.append(map(ops.convert_to_numpy, scoring.answers(logits, **self.settings)))
        probabilities, scores, known = map(np.concatenate, zip(*parts, strict=True))
        pairs = zip(probabilities.argmax(axis=-1), known, strict=True)
        labels = [self.class_names[i] if is_known else UNKNOWN for i, is_known in pairs]
        return probabilities, labels, scores.tolist()

    def label(self, images: Tensor) -> tuple[list[str], list[float]]:
        """`(labels, scores)` of images as lists, see `answers`."""
        return self.answers(images)[1:]

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras' `export` of the probabilities alone, to a SavedModel, ONNX and others.

        `kmeta.export` writes more: labels, scores, adapting to other classes, and a proof.
        """
        self(np.zeros((1, *self.image_shape), "float32"))  # Keras exports what was called before
        return super().export(filepath, *args, **kwargs)

    @property
    def settings(self) -> dict[str, float]:
        """The numbers that make answers of logits, by name."""
        slope, offset = self.familiarity
        settings = {"temperature": self.temperature, "threshold": self.threshold}
        return {**settings, "slope": slope, "offset": offset}

    def with_options(
        self,
        temperature: float | None = None,
        threshold: float | None = None,
        familiarity: tuple[float, float] | None = None,
    ) -> "Classifier":
        """A copy with another temperature, threshold or familiarity.

        Raises:
            ValueError: as the constructor.
        """
        other = Classifier(
            self.learner,
            self.state,
            self.class_names,
            self.temperature if temperature is None else temperature,
            self.threshold if threshold is None else threshold,
            self.familiarity if familiarity is None else familiarity,
        )
        other.set_weights(self.get_weights())  # the learner may have changed since
        return other

    def get_build_config(self) -> dict[str, Any]:
        return {"input_shape": (None, *self.image_shape)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        del config

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learner": keras.saving.serialize_keras_object(self.learner),
            "structure": self._structure,
            "specs": [(tuple(x.shape), x.dtype) for x in self._state],
            "class_names": self.class_names,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "familiarity": self.familiarity,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Classifier":
        config = {name: x for name, x in config.items() if name not in ("trainable", "dtype")}
        with as_configuration("a classifier"):
            learner = restored(config.pop("learner"))
            leaves = [_nothing(shape, dtype) for shape, dtype in config.pop("specs")]
            state = tree.map_structure(lambda i: leaves[i], config.pop("structure"))
            found = cls(learner, state, **config)
            image = keras.KerasTensor((1, *found.image_shape))
            found.compute_output_spec(image)  # are there as many names?
        return found


def _nothing(shape, dtype):
    """Zeros of any shape that take no memory."""
    return np.broadcast_to(ops.convert_to_numpy(ops.zeros((), dtype)), shape)


def _weights(learner):
    """All weights of a learner; first those by which it classifies."""
    deployed = learner.deployed_weights()
    known = {id(weight) for weight in deployed}
    return deployed + [weight for weight in learner.weights if id(weight) not in known]
