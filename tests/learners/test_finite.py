"""Nothing that is not finite is saved, by whatever way, and what was there stays."""

import keras
import numpy as np
import pytest

import kmeta

X = np.eye(3, dtype="float32")


def learner():
    made = kmeta.PrototypicalNetwork(keras.layers.Dense(3))
    made.build((3,))
    return made


WAYS = {
    "save": ("a.keras", lambda model, path: model.save(path)),
    "save_model": ("a.keras", keras.saving.save_model),
    "save_weights": ("a.weights.h5", lambda model, path: model.save_weights(path)),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["learner", "classifier"])
def test_what_is_not_finite_is_not_saved(kind, way, value, tmp_path):
    name, save = WAYS[way]
    model = learner()
    model = model if kind == "learner" else model.adapt(X, [0, 1, 2])
    save(model, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    weights = model.get_weights()
    weights[-1].flat[0] = value
    model.set_weights(weights)
    with pytest.raises(ValueError, match=r"finite numbers can be saved. Received: .* not finite"):
        save(model, tmp_path / name)
    if way != "save_model":  # Keras opens the file before it asks the model
        assert (tmp_path / name).read_bytes() == before


def test_checkpoints_of_keras_stop_a_training_that_diverges(tmp_path):
    glyphs = kmeta.data.load("glyphs", "test").subset([0, 1, 2])
    episodes = kmeta.Episodes(glyphs, way=3, shot=1, query=1, steps=2)
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    diverging = kmeta.PrototypicalNetwork(network)
    diverging.compile(keras.optimizers.SGD(1e30))
    kept = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", verbose=0)
    with pytest.raises(ValueError, match="finite numbers can be saved"):
        diverging.fit(episodes, epochs=3, verbose=0, callbacks=[kept])
    assert not (tmp_path / "a.keras").exists()
