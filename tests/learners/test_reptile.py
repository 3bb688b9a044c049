"""Reptile against loops in NumPy."""

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from keras import layers
from quick_cases import others_slow

import kmeta
from kmeta import Episode, Support
from kmeta.ops import differentiation

TASKS, WAY, SHOT = 3, 3, 2


def episode(tasks=TASKS, queries=4, seed=1):
    rng = np.random.default_rng(seed)
    y = np.tile(np.repeat(np.eye(WAY, dtype="float32"), SHOT, axis=0), (tasks, 1, 1))
    x, query_x = (rng.normal(size=(tasks, n, 4)).astype("float32") for n in (WAY * SHOT, queries))
    return Episode(Support(x, y), query_x), rng.integers(0, WAY, (tasks, queries)).astype("int32")


def linear(**options):
    keras.utils.set_random_seed(5)
    network = keras.Sequential([keras.Input((4,)), layers.Dense(WAY, bias_initializer="normal")])
    learner = kmeta.Reptile(network, **{"inner_lr": 0.1, **options})
    learner.build((4,))
    return learner


def batches(support, seed, number, steps, size):
    """The mini-batches of one task, their rows as `shuffles` gives them."""
    if size is None:
        return [support] * steps
    rows = differentiation.shuffles(seed, number, len(support[0]), steps * size)
    return [[part[r] for part in support] for r in np.reshape(rows, (steps, size))]


OPTIONS = [
    {"inner_steps": 2, "inner_batch": None, "test_inner_steps": 3, "test_inner_batch": None},
    {"inner_steps": 4, "inner_batch": 4, "test_inner_steps": 2, "test_inner_batch": 5, "seed": 3},
    {"inner_steps": 1, "inner_batch": 2, "test_inner_steps": 2, "inner_optimizer": "sgd"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_training_and_test_equal_loops_in_numpy(options):
    """Weights move by epsilon; second moments pass from task to task, and into tests."""
    learner = linear(**options)
    epsilon, seed = 0.3, options.get("seed", 0)
    optimizer = options.get("inner_optimizer", "adam")
    learner.compile(keras.optimizers.SGD(epsilon))
    weights = learner.network.get_weights()
    moments, taken = [np.zeros_like(w) for w in weights], 0
    for step in range(2):
        tasks, query_y = episode(seed=step)
        adapted = []
        for support in zip(*tasks.support, strict=True):
            steps = options["inner_steps"]
            drawn = batches(support, seed, taken, steps, options["inner_batch"])
            after, moments, taken_now = oracles.reptile_linear(
                weights, moments, taken, drawn, 0.1, optimizer
            )
            taken += steps
            assert taken_now == taken
            adapted.append(after)
        weights = [
            w + epsilon * (np.mean(parts, axis=0) - w)
            for w, parts in zip(weights, zip(*adapted, strict=True), strict=True)
        ]
        learner.train_on_batch(tasks, query_y)
        for ours, expected in zip(learner.network.get_weights(), weights, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
        for ours, expected in zip(learner.second_moments, moments, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-9)
    assert int(learner.steps_taken) == taken

    tasks, _ = episode(seed=9)
    before = learner.get_weights()
    logits = learner(tasks)
    for ours, expected in zip(learner.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, expected)
    for task in range(TASKS):
        support = [part[task] for part in tasks.support]
        size = options.get("test_inner_batch", 5)
        drawn = batches(support, seed, -1, options["test_inner_steps"], size)
        (w, b), _, _ = oracles.reptile_linear(weights, moments, taken, drawn, 0.1, optimizer)
        np.testing.assert_allclose(logits[task], tasks.query_x[task] @ w + b, atol=2e-4)


def test_shuffles_use_every_item_before_any_again():
    rows = np.array(differentiation.shuffles(0, 7, 6, 15))
    assert len(rows) == 15
    for turn in (rows[:6], rows[6:12]):
        assert sorted(turn) == list(range(6))
    assert len(set(rows[12:])) == 3
    assert not np.array_equal(rows[:6], rows[6:12])
    np.testing.assert_array_equal(rows, differentiation.shuffles(0, 7, 6, 15))
    compiled = tf.function(differentiation.shuffles, jit_compile=True)
    np.testing.assert_array_equal(rows, compiled(0, 7, 6, 15))
    first = [int(differentiation.shuffles(0, n, 6, 1)[0]) for n in range(600)]
    assert all(70 < first.count(item) < 130 for item in range(6))
    for other in ((1, 7), (0, 8)):
        assert not np.array_equal(rows, differentiation.shuffles(*other, 6, 15))


def test_shuffles_leave_out_what_does_not_count():
    counted = np.array([1, 0, 1, 1, 0, 1], "float32")
    rows = np.array(differentiation.shuffles(0, 7, 6, 11, counted))
    for turn in (rows[:4], rows[4:8]):
        assert sorted(turn) == [0, 2, 3, 5]
    assert len(set(rows[8:])) == 3
    everything = differentiation.shuffles(0, 7, 6, 15, np.ones(6))
    np.testing.assert_array_equal(everything, differentiation.shuffles(0, 7, 6, 15))


@pytest.mark.parametrize("batch", others_slow([None, 4], [4]))
def test_compiled_training_gives_the_same_numbers(batch):
    """Eager, graph and XLA."""
    results = []
    for options in ({"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}):
        learner = linear(inner_steps=3, inner_batch=batch)
        learner.compile(keras.optimizers.SGD(1.0), **options)
        tasks, query_y = episode()
        for _ in range(2):
            learner.train_on_batch(tasks, query_y)
        results.append(learner.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_any_outer_optimizer_takes_the_step_even_with_a_scaled_loss():
    steps = []
    for factor in (None, 1024.0):
        learner = linear(inner_batch=None)
        learner.compile(keras.optimizers.Adam(0.1, loss_scale_factor=factor))
        learner.train_step(episode())
        steps.append(learner.network.get_weights())
    for a, b in zip(*steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert abs(steps[0][0] - linear().network.get_weights()[0]).max() == pytest.approx(0.1, rel=0.1)


def test_fit_reports_the_loss_of_queries_after_the_inner_steps():
    learner = linear(inner_steps=2, inner_batch=None)
    tasks, query_y = episode(tasks=1)
    learner.compile(keras.optimizers.SGD(0.0))
    log = learner.train_on_batch(tasks, query_y, return_dict=True)
    zeros = [np.zeros_like(w) for w in learner.network.get_weights()]
    support = [part[0] for part in tasks.support]
    (w, b), _, _ = oracles.reptile_linear(
        learner.network.get_weights(), zeros, 0, [support] * 2, 0.1, "adam"
    )
    p = oracles.softmax(tasks.query_x[0] @ w + b)
    picked = p[np.arange(len(p)), query_y[0]]
    assert log["loss"] == pytest.approx(-np.log(picked).mean(), rel=1e-4)
    assert log["accuracy"] == pytest.approx(np.mean(p.argmax(-1) == query_y[0]))


def normalised(bn_mode, learner_class=kmeta.Reptile, **options):
    keras.utils.set_random_seed(5)
    network = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(epsilon=0.1), layers.Dense(WAY)]
    )
    learner = learner_class(network, bn_mode=bn_mode, **options)
    learner.build((4,))
    return learner


def test_statistics_of_queries():
    """The network is linear behind its normalisation: compute it in NumPy."""
    tasks, _ = episode(tasks=1, queries=5)
    support, queries = tasks.support.x[0], tasks.query_x[0]
    for bn_mode in ("support", "support+1", "batch"):
        learner = normalised(bn_mode, test_inner_steps=3, test_inner_batch=None)
        weights = [w[0].numpy() for w in learner.adapt_state(tasks.support)["weights"]]
        gamma, beta, kernel, bias = weights
        logits = learner(tasks)[0]
        for i, query in enumerate(queries):
            seen = {"support": support, "batch": queries}.get(bn_mode)
            seen = np.concatenate([support, query[None]]) if seen is None else seen
            x = (query - seen.mean(0)) / np.sqrt(seen.var(0) + 0.1) * gamma + beta
            np.testing.assert_allclose(logits[i], x @ kernel + bias, atol=1e-4)
        classifier = learner.adapt(support, np.repeat(range(WAY), SHOT))
        assert classifier.bn_mode == "support"
        np.testing.assert_allclose(classifier(queries)[:1], classifier(queries[:1]), atol=1e-6)


def test_training_uses_the_mode_too():
    losses = set()
    for bn_mode in ("support", "support+1", "batch"):
        learner = normalised(bn_mode)
        learner.compile(keras.optimizers.SGD(0.1))
        losses.add(round(float(learner.train_on_batch(*episode())[0]), 5))
    assert len(losses) == 3


@pytest.mark.slow
def test_random_layers_differ_from_step_to_step_in_training_only():
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5, seed=2), layers.Dense(WAY)])
    learner = kmeta.Reptile(network, inner_batch=None)
    tasks, query_y = episode()
    np.testing.assert_array_equal(learner(tasks), learner(tasks))
    learner.compile(keras.optimizers.SGD(0.0))
    seen = {float(learner.train_on_batch(tasks, query_y)[0]) for _ in range(3)}
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner_steps": 0}, "`inner_steps` must be a positive integer. Received: inner_steps=0"),
        ({"test_inner_steps": True}, "`test_inner_steps` must be an integer of at least 0"),
        ({"inner_batch": 0}, "`inner_batch` must be a positive integer. Received: inner_batch=0"),
        ({"test_inner_batch": 2.0}, "`test_inner_batch` must be a positive integer. Received"),
        ({"inner_lr": 0}, "`inner_lr` must be a positive, finite number. Received: inner_lr=0"),
        (
            {"inner_optimizer": "adamw"},
            "must be one of .'adam', 'sgd'.. Received: inner_optimizer='adamw",
        ),
        ({"seed": "a"}, "`seed` must be an integer from 0 to 4294967295. Received: seed='a'"),
        ({"seed": -1}, "`seed` must be an integer from 0 to 4294967295. Received: seed=-1"),
        ({"bn_mode": "running"}, "must be one of .'support', 'support\\+1', 'batch'.. Received"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        linear(**options)


def test_another_way_than_the_network_has():
    with pytest.raises(ValueError, match="network predicts 3 classes.*support set has 5"):
        linear().adapt(np.zeros((5, 4), "float32"), np.arange(5))


def test_configuration_keeps_every_option():
    options = {**OPTIONS[1], "inner_optimizer": "sgd", "inner_lr": 0.2, "bn_mode": "batch"}
    learner = linear(**options)
    config = type(learner).from_config(learner.get_config()).get_config()
    assert {name: config[name] for name in options} == options


def test_regularisation_is_part_of_the_inner_loss():
    kernels = []
    for strength in (0.0, 0.5):
        learner = linear(inner_optimizer="sgd", inner_steps=1, inner_batch=None)
        learner.network.layers[0].kernel.regularizer = keras.regularizers.L2(strength)
        start = learner.network.get_weights()[0]
        learner.compile(keras.optimizers.SGD(1.0))
        learner.train_on_batch(*episode())
        kernels.append(learner.network.get_weights()[0])
    np.testing.assert_allclose(kernels[1], kernels[0] - 0.1 * start, rtol=1e-4, atol=1e-6)


def test_a_layer_frozen_too_late_is_named():
    keras.utils.set_random_seed(5)
    dense = [layers.Dense(4), layers.Dense(WAY)]
    learner = kmeta.Reptile(keras.Sequential([keras.Input((4,)), *dense]))
    learner.build((4,))
    dense[0].trainable = False
    with pytest.raises(ValueError, match="has 2 trainable weights, but had 4 when"):
        learner(episode()[0])
