"""A user's own Keras model, of any kind, as embedding or as the network to adapt, unchanged."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from quick_cases import others_slow

import kmeta

rng = np.random.default_rng(6)
X = rng.random((6, 8, 8, 1)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2])


def functional():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, activation="relu")(inputs)
    x = layers.Concatenate()([layers.BatchNormalization()(x), x])
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def sequential():
    return keras.Sequential(
        [layers.Flatten(), layers.LayerNormalization(), layers.Dropout(0.5), layers.Dense(3)]
    )


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.normalize = layers.GroupNormalization(2)
        self.convolve = layers.Conv2D(4, 3, strides=2)
        self.project = layers.Dense(units)

    def call(self, images):  # no `training` argument, no build(), no get_config()
        maps = ops.relu(self.normalize(self.convolve(images)))
        return self.project(ops.mean(maps, axis=(1, 2)))


MODELS = {"functional": functional, "sequential": sequential, "subclassed": Subclassed}
LEARNERS = {"prototypical": kmeta.PrototypicalNetwork, "maml": kmeta.MAML}


@pytest.fixture(params=others_slow(MODELS, ["subclassed"]))
def model(request):
    """A pretrained model: compiled and fitted by its user."""
    keras.utils.set_random_seed(1)
    made = MODELS[request.param]()
    made.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    made.fit(X, Y, epochs=1, verbose=0)
    return made


@pytest.mark.parametrize("learner", others_slow(LEARNERS, ["maml"]))
def test_works_unchanged(model, learner, tmp_path):
    before = [ops.convert_to_numpy(weight) for weight in model.weights]
    outputs = ops.convert_to_numpy(model(X))
    adapted = LEARNERS[learner](model).adapt(X, Y)
    probabilities = ops.convert_to_numpy(adapted(X))
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, weight)
    np.testing.assert_array_equal(model(X), outputs)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    adapted.save(tmp_path / "adapted.keras")
    loaded = keras.models.load_model(tmp_path / "adapted.keras")
    np.testing.assert_allclose(loaded(X), probabilities, atol=1e-6)


def test_embedding_is_used_with_its_pretrained_weights(model):
    adapted = kmeta.PrototypicalNetwork(model).adapt(X, Y)
    centres = np.stack([ops.convert_to_numpy(model(X))[k == Y].mean(0) for k in range(3)])
    np.testing.assert_allclose(adapted.state["prototypes"][0], centres, atol=1e-5)


def test_network_adapts_from_its_pretrained_weights(model):
    """With a step of nearly nothing the classifier is the pretrained model itself."""
    if any(isinstance(layer, layers.BatchNormalization) for layer in model.layers):
        learner = kmeta.MAML(model, inner_lr=1e-9, bn_mode="running")
    else:
        learner = kmeta.MAML(model, inner_lr=1e-9)
    expected = ops.softmax(model(X))
    np.testing.assert_allclose(learner.adapt(X, Y)(X), expected, atol=1e-5)


@pytest.mark.parametrize("learner", others_slow(LEARNERS, ["maml"]))
def test_trains_on_episodes(model, learner):
    data = kmeta.data.from_arrays(np.tile(X, (4, 1, 1, 1)), np.tile(Y, 4))
    episodes = kmeta.Episodes(data, way=3, shot=1, query=1, steps=2, tasks_per_step=2)
    made = LEARNERS[learner](model)
    made.compile()
    before = ops.convert_to_numpy(model.trainable_weights[0])
    made.fit(episodes, verbose=0)
    assert abs(ops.convert_to_numpy(model.trainable_weights[0]) - before).max() > 1e-5
    assert 0 <= made.evaluate(episodes, verbose=0)[1] <= 1
