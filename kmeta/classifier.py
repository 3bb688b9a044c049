"""What `adapt` returns: an ordinary Keras model for the classes of one support set."""

import keras
from keras import ops, tree


@keras.saving.register_keras_serializable("kmeta")
class Classifier(keras.Model):
    """A learner adapted to one support set: images in, probabilities out.

    Holds copies of all it needs as constants, so that training the learner further does not change
    it. Save it with `classifier.save("name.keras")`, deploy it with `kmeta.export`.

    Input: `[batch, ...]` float images in [0, 1], or uint8.
    Output: probabilities `[batch, way]`, columns in the order of `class_names`.
    """

    def __init__(self, learner, state, class_names, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self._get_learner = lambda: learner  # hidden from Keras: only the copies below are weights
        self.class_names = list(class_names)
        self.image_shape = learner.image_shape
        self._structure = tree.pack_sequence_as(state, list(range(len(tree.flatten(state)))))
        self._state = [self._constant(f"state_{i}", x) for i, x in enumerate(tree.flatten(state))]
        self._weights_copy = [
            self._constant(f"weight_{i}", x) for i, x in enumerate(learner.deployed_weights())
        ]
        self.built = True

    def _constant(self, name, value):
        value = ops.convert_to_tensor(value)
        variable = self.add_weight(
            shape=value.shape, dtype=value.dtype, initializer="zeros", trainable=False, name=name
        )
        variable.assign(value)
        return variable

    @property
    def learner(self):
        """The learner that was adapted."""
        return self._get_learner()

    @property
    def bn_mode(self):
        """The statistics by which batch normalisation works, see the learner."""
        return self.learner.deployed_bn_mode

    @property
    def state(self):
        """The adapted state, tensors with a leading axis of one task."""
        return tree.pack_sequence_as(
            self._structure, [ops.convert_to_tensor(x) for x in self._state]
        )

    def call(self, images, training=None):
        del training
        images = ops.convert_to_tensor(images)
        if keras.backend.standardize_dtype(images.dtype) == "uint8":
            images = ops.cast(images, "float32") / 255.0
        mapping = zip(self.learner.deployed_weights(), self._weights_copy, strict=True)
        with keras.StatelessScope(mapping):
            logits = self.learner.classify(self.state, ops.expand_dims(images, 0), training=False)
        return ops.softmax(ops.squeeze(logits, 0), axis=-1)

    def get_build_config(self):
        return {"input_shape": (None, *self.image_shape)}

    def build_from_config(self, config):
        del config

    def get_config(self):
        return {
            **super().get_config(),
            "learner": keras.saving.serialize_keras_object(self.learner),
            "structure": self._structure,
            "specs": [(tuple(x.shape), x.dtype) for x in self._state],
            "class_names": self.class_names,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        learner = keras.saving.deserialize_keras_object(config.pop("learner"))
        leaves = [ops.zeros(shape, dtype) for shape, dtype in config.pop("specs")]
        state = tree.map_structure(lambda i: leaves[i], config.pop("structure"))
        config.pop("trainable", None)
        return cls(learner, state, **config)
