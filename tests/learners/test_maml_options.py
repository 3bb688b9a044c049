"""MAML's options, each against NumPy: rates, losses, steps, statistics."""

import keras
import numpy as np
import oracles
import pytest
from keras import layers, ops

import kmeta
from kmeta import Episode, Support


def waves(tasks=3, shot=4, queries=5, features=2, outputs=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(tasks, shot + queries, features)).astype("float32")
    y = rng.normal(size=(tasks, shot + queries, outputs)).astype("float32")
    return Episode(Support(x[:, :shot], y[:, :shot]), x[:, shot:]), y[:, shot:]


def linear(outputs=1, features=2, **options):
    keras.utils.set_random_seed(2)
    dense = layers.Dense(outputs, bias_initializer="normal")
    learner = kmeta.MAML(keras.Sequential([keras.Input((features,)), dense]), **options)
    learner.build((features,))
    return learner


def regression(**options):
    return linear(**{"inner_loss": "mean_squared_error", "inner_lr": 0.1, **options})


def least_squares(kernel, bias, x, y, steps, rates):
    for _ in range(steps):
        error = 2 * (x @ kernel + bias - y) / y.size
        kernel, bias = kernel - rates[0] * x.T @ error, bias - rates[1] * error.sum(0)
    return kernel, bias


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("rates", [0.1, [0.2, 0.03], [0.0, 0.3]])
def test_regression_equals_least_squares_in_numpy(outputs, rates):
    learner = regression(outputs=outputs, inner_lr=rates, inner_steps=3, test_inner_steps=1)
    (support, query_x), _ = waves(outputs=outputs)
    pair = rates if isinstance(rates, list) else [rates, rates]
    for training, steps in ((True, 3), (False, 1)):
        predictions = learner(Episode(support, query_x), training=training)
        for i in range(3):
            weights = learner.network.get_weights()
            kernel, bias = least_squares(*weights, support.x[i], support.y[i], steps, pair)
            np.testing.assert_allclose(predictions[i], query_x[i] @ kernel + bias, atol=1e-5)


def test_rates_of_single_weights_in_classification():
    learner = linear(outputs=3, inner_lr=[0.5, 0.0])
    x = np.random.default_rng(1).normal(size=(1, 3, 2)).astype("float32")
    y = np.eye(3, dtype="float32")[None]
    kernel, bias = learner.network.get_weights()
    change = oracles.linear_gradient(kernel, bias, x[0], y[0])[0]
    expected = x[0] @ (kernel - 0.5 * change) + bias
    np.testing.assert_allclose(learner(Episode(Support(x, y), x))[0], expected, atol=1e-5)
    assert type(learner).from_config(learner.get_config()).inner_lr == [0.5, 0.0]


def test_regression_trains_on_the_squared_error_of_queries():
    learner = regression()
    learner.compile(keras.optimizers.SGD(0.0))
    episode, y = waves()
    log = learner.train_on_batch(episode, y, return_dict=True)
    expected = np.square(learner(episode) - y).mean()
    assert log == {"loss": pytest.approx(expected, rel=1e-5)}
    assert learner.evaluate(episode, y, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_fit_on_sine_waves_lowers_the_error_after_adaptation():
    keras.utils.set_random_seed(1)
    hidden = [layers.Dense(40, activation="relu") for _ in range(2)]
    network = keras.Sequential([keras.Input((1,)), *hidden, layers.Dense(1)])
    learner = kmeta.MAML(network, inner_lr=0.01, inner_loss="mean_squared_error")
    learner.compile(keras.optimizers.Adam(0.003), jit_compile=True)
    training = kmeta.data.SinusoidEpisodes(steps=150)
    losses = learner.fit(training, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    # learned to adapt, not only the mean wave
    tests = kmeta.data.SinusoidEpisodes(steps=10, seed=1)
    errors = []
    for steps in (0, 1, 3):
        other = learner.with_options(test_inner_steps=steps)
        other.compile()
        errors.append(other.evaluate(tests, verbose=0))
    assert errors[0] > 1.1 * errors[1] > errors[2]


def test_no_steps_are_no_adaptation():
    learner = linear(outputs=3, test_inner_steps=0)
    x = np.random.default_rng(1).normal(size=(2, 3, 2)).astype("float32")
    support = Support(x, np.tile(np.eye(3, dtype="float32"), (2, 1, 1)))
    kernel, bias = learner.network.get_weights()
    np.testing.assert_allclose(learner(Episode(support, x)), x @ kernel + bias, atol=1e-5)
    learner.compile()
    np.testing.assert_allclose(
        learner.predict(Episode(support, x), verbose=0), x @ kernel + bias, atol=1e-5
    )


def test_a_copy_with_other_options_has_the_same_weights():
    learner = linear(outputs=3)
    for weight in learner.weights:
        weight.assign(weight + 1.0)
    other = learner.with_options(test_inner_steps=4, bn_mode="batch")
    assert (other.test_inner_steps, other.bn_mode) == (4, "batch")
    assert (learner.test_inner_steps, learner.bn_mode) == (1, "support")
    for a, b in zip(other.get_weights(), learner.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other.weights[0].assign(other.weights[0] * 0)
    assert abs(learner.get_weights()[0]).max() > 0


def test_each_query_is_normalised_with_the_support_set_alone():
    keras.utils.set_random_seed(5)
    norm = layers.BatchNormalization(epsilon=0.1)
    learner = kmeta.MAML(
        keras.Sequential([keras.Input((2,)), norm, layers.Dense(3)]), bn_mode="support+1"
    )
    rng = np.random.default_rng(1)
    x, queries = (rng.normal(size=(2, n, 2)).astype("float32") for n in (3, 4))
    support = Support(x, np.tile(np.eye(3, dtype="float32"), (2, 1, 1)))
    for training in (False, True):
        logits = learner(Episode(support, queries), training=training)
        weights = learner.adapt_state(Support(*map(ops.convert_to_tensor, support)))["weights"]
        for task in range(2):
            gamma, beta, kernel, bias = (part[task].numpy() for part in weights)
            for i, query in enumerate(queries[task]):
                seen = np.concatenate([x[task], query[None]])
                scaled = (query - seen.mean(0)) / np.sqrt(seen.var(0) + 0.1) * gamma + beta
                np.testing.assert_allclose(logits[task, i], scaled @ kernel + bias, atol=1e-4)


@pytest.mark.parametrize("first_order", [True, False])
def test_compiled_training_gives_the_same_numbers(first_order):
    """Eager, graph and XLA."""
    results = []
    for options in ({"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}):
        learner = regression(inner_steps=3, first_order=first_order)
        learner.compile(keras.optimizers.SGD(0.5), **options)
        for seed in range(2):
            learner.train_on_batch(*waves(seed=seed))
        results.append(learner.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"inner_loss": "mse"},
            "must be one of .'cross_entropy', 'mean_squared_error'.. Received: .*'mse",
        ),
        ({"inner_lr": [0.1]}, "a rate for each of the network's 2 trainable.* Received: 1 rates"),
        ({"inner_lr": [0.1, -1]}, "rates of at least 0. Received: inner_lr=\\[0.1, -1\\]"),
        ({"inner_lr": (0.1, float("nan"))}, "`inner_lr` must hold finite rates"),
        ({"inner_lr": np.ones((2, 1))}, "`inner_lr` must hold finite rates"),
        ({"inner_lr": [0.1, "0.1"]}, "`inner_lr` must hold finite rates"),
        ({"inner_lr": "0.1"}, "`inner_lr` must be a positive, finite number. Received: .*='0.1'"),
        ({"inner_lr": float("inf")}, "`inner_lr` must be a positive, finite number.*=inf"),
        ({"inner_lr": True}, "`inner_lr` must be a positive, finite number. Received: .*=True"),
        ({"inner_lr": None}, "`inner_lr` must be a positive, finite number. Received: .*=None"),
        ({"inner_steps": "2"}, "`inner_steps` must be a positive integer. Received: .*='2'"),
        ({"inner_steps": True}, "`inner_steps` must be a positive integer. Received: .*=True"),
        ({"first_order": "no"}, "`first_order` must be True or False. Received: .*='no'"),
        ({"remat": 1}, "`remat` must be True or False. Received: remat=1"),
        ({"test_inner_steps": -1}, "must be an integer of at least 0. Received: .*=-1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        linear(**options)


def test_numbers_of_numpy_become_those_of_python():
    numbers = {"inner_steps": np.int64(2), "test_inner_steps": np.int32(3)}
    config = linear(**numbers, inner_lr=np.float32(0.5)).get_config()
    found = [config[name] for name in ("inner_steps", "test_inner_steps", "inner_lr")]
    assert found == [2, 3, 0.5]
    assert [type(value) for value in found] == [int, int, float]
    for rates in ((0.5, 0), np.array([0.5, 0.0])):
        found = linear(inner_lr=rates).get_config()["inner_lr"]
        assert found == [0.5, 0.0] and type(found[1]) is float


def test_regression_says_what_it_cannot_do():
    learner = regression()
    with pytest.raises(ValueError, match="network predicts \\(1,\\).*shape \\(2,\\)"):
        learner(waves(outputs=2)[0])
    with pytest.raises(ValueError, match="`adapt` makes classifiers.*mean_squared_error"):
        learner.adapt(np.zeros((2, 2)), [0, 1])


def test_loss_of_an_epoch_counts_every_task_once():
    """As `evaluate` does, also where the last step has fewer tasks."""
    learner = linear(outputs=3)
    learner.compile(keras.optimizers.SGD(0.0))
    x = np.random.default_rng(1).normal(size=(4, 3, 2)).astype("float32")
    tasks = Episode(Support(x, np.tile(np.eye(3, dtype="float32"), (4, 1, 1))), x[:, :2])
    labels = np.array([[0, 1], [0, 2], [1, 2], [2, 0]])
    log = learner.fit(tasks, labels, batch_size=3, verbose=0)
    expected = learner.evaluate(tasks, labels, verbose=0)[0]
    assert log.history["loss"] == pytest.approx([expected], rel=1e-5)


def test_a_sum_of_losses_is_refused():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    with pytest.raises(ValueError, match="`loss` must not be a sum.*reduction='sum'"):
        linear(outputs=3).compile(loss=loss)


def test_averages_that_training_did_not_move_are_warned_of():
    with pytest.warns(UserWarning, match="bn_mode='support' does not move the averages"):
        linear(outputs=3).with_options(bn_mode="running")


def test_averages_are_used_in_the_inner_loop_outside_training():
    norm = layers.BatchNormalization(epsilon=0.1, center=False, scale=False)
    learner = kmeta.MAML(
        keras.Sequential([keras.Input((2,)), norm, layers.Dense(3)]),
        bn_mode="running",
        inner_lr=0.5,
    )
    learner.build((2,))
    norm.moving_mean.assign([1.0, -2.0])
    norm.moving_variance.assign([4.0, 0.5])
    x = np.random.default_rng(1).normal(size=(1, 3, 2)).astype("float32")
    y = np.eye(3, dtype="float32")[None]
    scaled = (x[0] - [1.0, -2.0]) / np.sqrt(np.array([4.0, 0.5]) + 0.1)
    kernel, bias = learner.network.trainable_weights
    expected = oracles.maml_linear(kernel.numpy(), bias.numpy(), scaled, y[0], scaled, 1, 0.5)
    np.testing.assert_allclose(learner(Episode(Support(x, y), x))[0], expected, atol=1e-5)


def test_an_option_set_later_is_used():
    learner = linear(outputs=3, inner_lr=2.0)
    x = np.random.default_rng(1).normal(size=(2, 3, 2)).astype("float32")
    tasks = Episode(Support(x, np.tile(np.eye(3, dtype="float32"), (2, 1, 1))), x)
    learner.compile()
    learner.predict(tasks, verbose=0)
    learner.test_inner_steps = 0
    np.testing.assert_array_equal(learner.predict(tasks, verbose=0), learner(tasks))
