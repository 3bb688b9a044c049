import warnings

import keras
import numpy as np
import pytest
from quick_cases import others_slow

import kmeta
from kmeta import Episode, Support

rng = np.random.default_rng(7)
X, Y = rng.normal(size=(4, 5)).astype("float32"), np.array([0, 1, 0, 1])
NAME = "`class_names`: a class's name must be a text not empty, without control characters and"


def learner():
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    made = kmeta.PrototypicalNetwork(network)
    made.build((5,))
    return made


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (X[:, 0], Y),
            r"`support_x` must have the shape \[n, ...\].*Received: support_x.shape=\(4,\)",
        ),
        ((X[:0], Y[:0]), r"n at least 1. Received: support_x.shape=\(0, 5\)"),
        ((np.full_like(X, np.nan), Y), "`support_x` must be finite. Received: NaN or infinity"),
        ((X.astype(str), Y), "`support_x` must hold floats in .*Received: support_x.dtype=<U"),
        ((X.astype("int32"), Y), "hold floats in .* or uint8. Received: support_x.dtype=int32"),
        ((X, Y[:3]), r"one label for each of the 4 items.*Received: support_y.shape=\(3,\)"),
        (
            (X, np.eye(2)[Y]),
            r"one label for each of the 4 items.*Received: support_y.shape=\(4, 2\)",
        ),
        (
            (X, Y * 0.5),
            "`support_y` must hold integers or names. Received: support_y.dtype=float64",
        ),
        ((X, Y * 0), "every label from 0 to 1 at least once. Received: \\[0\\]"),
        ((X, Y * 2), "every label from 0 to 2 at least once. Received: \\[0, 2\\]"),
        ((X, Y - 1), "every label from 0 to 1 at least once. Received: \\[-1, 0\\]"),
        ((X, Y * 2**40), "every label from 0 to 1099511627776 at least once. Received"),
        ((X, Y, ["a", "b", "c"]), "every label from 0 to 2 at least once. Received: \\[0, 1\\]"),
        ((X, Y, ["a", "a"]), r"`class_names` must hold two different .*Received: \['a', 'a'\]"),
        *(((X, Y, ["a", name]), NAME) for name in ("", "two\nlines", "a\tb", "a\0", "\ud800")),
        ((X, ["b", "", "b", ""]), "`support_y`: a class's name must be a text not empty"),
        ((X, ["b", "a\x07"] * 2), r"`support_y`: .*Received: 'a\\x07'"),
        ((X, ["b", "a", "b", "a"], ["a", "b"]), "`class_names` must be left out when"),
        ((X[:, :4], Y), r"must have the shape \[items, 5\].*Received: support_x.shape=\(4, 4\)"),
    ],
)
def test_bad_support_sets(arguments, message):
    with pytest.raises(ValueError, match=message):
        learner().adapt(*arguments)


def test_names_are_sorted_and_columns_follow_them():
    by_name = learner()
    classifier = by_name.adapt(X, ["wolf", "bear", "wolf", "bear"])
    assert classifier.class_names == ["bear", "wolf"]
    by_number = by_name.adapt(X, 1 - Y, class_names=["bear", "wolf"])
    np.testing.assert_array_equal(classifier(X), by_number(X))
    assert by_number.class_names == ["bear", "wolf"]
    for names in (np.array([b"wolf", b"bear"] * 2), np.array(["wolf", "bear"] * 2, object)):
        assert by_name.adapt(X, names).class_names == ["bear", "wolf"]


def test_losses_that_take_logits_for_probabilities_are_refused():
    with pytest.raises(ValueError, match="Received: loss='sparse_categorical_crossentropy'"):
        learner().compile(loss="sparse_categorical_crossentropy")


def test_a_generator_needs_a_built_learner():
    y = np.eye(2, dtype="float32")[Y][None]
    item = Episode(Support(X[None], y), X[None]), Y[None].astype("int32")
    fresh = kmeta.PrototypicalNetwork(keras.layers.Dense(2))
    fresh.compile()
    with pytest.raises(
        ValueError, match="call `build\\(image_shape\\)` before `fit`. Received: gen"
    ):
        fresh.fit(item for _ in range(2))
    fresh.build((5,))
    fresh.fit((item for _ in range(2)), verbose=0)


def test_fit_builds_the_optimizer_so_that_saving_is_whole(tmp_path):
    y = np.eye(2, dtype="float32")[Y][None]
    episode = Episode(Support(X[None], y), X[None])
    fresh = kmeta.PrototypicalNetwork(keras.layers.Dense(2))
    fresh.compile(keras.optimizers.Adam(0.01))
    fresh.fit(episode, Y[None], verbose=0)
    fresh.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert int(loaded.optimizer.iterations) == 1
    for a, b in zip(loaded.optimizer.variables, fresh.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_that_does_not_train_stays_so_when_loaded(tmp_path):
    learner = kmeta.MatchingNetwork(kmeta.layers.Conv4(3), full_context=True)
    learner.build((16, 16, 1))
    learner.network.trainable = False
    learner.compile()
    learner.optimizer.build(learner.trainable_variables)
    learner.save(tmp_path / "learner.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Keras skips what it cannot load
        loaded = keras.models.load_model(tmp_path / "learner.keras")
    shapes = [weight.shape for weight in learner.trainable_variables]
    assert shapes and [weight.shape for weight in loaded.trainable_variables] == shapes


@pytest.mark.parametrize(
    ("learner", "part", "shape"),
    [
        (kmeta.MatchingNetwork, "support_embedding", (4,)),
        (kmeta.RelationNetwork, "relation_module", (12, 12, 1)),
    ],
)
def test_a_copy_takes_a_part_as_an_object(learner, part, shape):
    def layers():
        if part == "support_embedding":
            return keras.layers.Dense(3), keras.layers.Dense(3)
        return keras.layers.Conv2D(2, 3), keras.Sequential(
            [keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
        )

    network, own = layers()
    trained, other = learner(network, **{part: own}), layers()[1]
    trained.build(shape)
    copy = trained.with_options(**{part: other})
    assert getattr(copy, part) is other
    x = np.random.default_rng(0).random((1, 6, *shape)).astype("float32")
    episode = Episode(Support(x, np.eye(3, dtype="float32")[None].repeat(2, axis=1)), x)
    np.testing.assert_allclose(copy(episode), trained(episode), rtol=1e-5)


@pytest.mark.parametrize(
    "how", others_slow(["initial_epoch", "BackupAndRestore", "by position"], ["initial_epoch"])
)
def test_a_training_gone_on_with_by_keras_meets_the_tasks_of_its_epochs(tmp_path, how):
    data = kmeta.data.from_arrays(
        np.random.default_rng(0).random((40, 4, 4, 1), dtype=np.float32), np.arange(40) % 8
    )

    def tasks():
        return kmeta.Episodes(data, way=3, shot=1, query=2, steps=2)

    def learner():
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(8)])
        made = kmeta.PrototypicalNetwork(network)
        made.compile(keras.optimizers.SGD(0.1))
        return made

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    whole, parts, on = learner(), learner(), tasks()
    whole.fit(tasks(), epochs=4, verbose=0)
    if how == "BackupAndRestore":
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        with pytest.raises(KeyboardInterrupt):
            parts.fit(tasks(), epochs=4, verbose=0, callbacks=[backup, Stop()])
        parts = learner()
        parts.fit(on, epochs=4, verbose=0, callbacks=[backup])
    else:
        parts.fit(tasks(), epochs=2, verbose=0)
        if how == "by position":
            callbacks = keras.callbacks.CallbackList([])
            parts.fit(on, None, None, 4, 0, callbacks, initial_epoch=2)
        else:
            parts.fit(on, initial_epoch=2, epochs=4, verbose=0)
    assert on.epoch == 4
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_fit_without_an_epoch_meets_new_tasks(tmp_path):
    data = kmeta.data.from_arrays(np.zeros((40, 2, 2, 1), np.float32), np.arange(40) % 8)
    tasks = kmeta.Episodes(data, way=3, shot=1, query=2, steps=2)
    learner = kmeta.PrototypicalNetwork(keras.layers.Flatten())
    learner.compile()
    learner.fit(tasks, epochs=2, verbose=0)
    learner.fit(tasks, epochs=1, verbose=0)
    assert tasks.epoch == 3
