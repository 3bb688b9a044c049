"""MAML against NumPy and, in float64, against central differences."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import oracles
import pytest
import tensorflow as tf
from keras import layers, ops
from quick_cases import others_slow

import kmeta
from kmeta import Episode, Support
from kmeta.layers import Conv4
from kmeta.ops import differentiation

rng = np.random.default_rng(5)


def episode(shape, tasks=2, way=3, shot=2, queries=6, rng=rng):
    y = np.tile(np.repeat(np.eye(way), shot, axis=0), (tasks, 1, 1))
    x = rng.normal(size=(tasks, way * shot, *shape))
    query_y = rng.integers(0, way, size=(tasks, queries)).astype("int32")
    return Episode(Support(x, y), rng.normal(size=(tasks, queries, *shape))), query_y


def conv4(**options):
    return [Conv4(3, dtype="float64", **options), layers.Dense(3, dtype="float64")]


def stock(norm):
    """A user's own network, of stock layers."""
    return [
        layers.Conv2D(4, 3, strides=2, activation="tanh", dtype="float64"),
        norm,
        layers.Flatten(dtype="float64"),
        layers.Dense(3, dtype="float64"),
    ]


NETWORKS = {
    "conv4 pooled": (lambda: conv4(), (16, 16, 1)),
    "conv4 strided": (lambda: conv4(downsampling="stride", features="mean"), (12, 12, 1)),
    "BatchNormalization": (lambda: stock(layers.BatchNormalization(dtype="float64")), (8, 8, 2)),
    "LayerNormalization": (lambda: stock(layers.LayerNormalization(dtype="float64")), (8, 8, 2)),
    "GroupNormalization": (lambda: stock(layers.GroupNormalization(2, dtype="float64")), (8, 8, 2)),
}


def built(name, **options):
    keras.utils.set_random_seed(1)
    draw = np.random.default_rng(1)  # no central difference meets a kink of a ReLU
    make, shape = NETWORKS[name]
    network = keras.Sequential([keras.Input(shape, dtype="float64"), *make()])
    for weight in network.trainable_weights:
        weight.assign(weight + 0.1 * draw.normal(size=weight.shape))
    learner = kmeta.MAML(network, dtype="float64", **{"inner_steps": 2, **options})
    learner.build(shape)
    learner.compile(keras.optimizers.SGD(1.0))
    return learner, episode(shape, rng=draw)


def query_loss(learner, tasks, query_y):
    """The outer loss, by way of `call` and NumPy."""
    probabilities = oracles.softmax(ops.convert_to_numpy(learner(tasks, training=True)))
    return -np.log(np.take_along_axis(probabilities, query_y[..., None], axis=-1)).mean()


def slope_error(learner, tasks, query_y):
    """Relative error of a training step's gradient, along it, against a central difference."""
    weights = learner.network.trainable_weights
    before = [ops.convert_to_numpy(weight) for weight in weights]
    learner.train_step((tasks, query_y))  # plain SGD with rate 1: the step is the gradient
    gradient = [
        old - ops.convert_to_numpy(weight) for old, weight in zip(before, weights, strict=True)
    ]
    norm = np.sqrt(sum((g**2).sum() for g in gradient))

    def moved(epsilon):
        for weight, old, g in zip(weights, before, gradient, strict=True):
            weight.assign(old + epsilon * g / norm)
        return query_loss(learner, tasks, query_y)

    slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
    return abs(slope - norm) / norm


@pytest.mark.parametrize("bn_mode", ["batch", "support"])
@pytest.mark.parametrize(
    "name", others_slow(NETWORKS, [n for n in NETWORKS if n != "conv4 strided"])
)
def test_meta_gradient_equals_central_differences(name, bn_mode):
    learner, (tasks, query_y) = built(name, bn_mode=bn_mode)
    assert slope_error(learner, tasks, query_y) < 1e-6


@pytest.mark.parametrize("name", ["conv4 pooled", "BatchNormalization", "LayerNormalization"])
def test_first_order_gradient_is_told_from_the_exact_one(name):
    learner, (tasks, query_y) = built(name, bn_mode="batch", first_order=True)
    assert slope_error(learner, tasks, query_y) > 1e-3


@pytest.mark.parametrize("name", ["conv4 pooled", "BatchNormalization", "LayerNormalization"])
def test_stock_moments_are_told_from_the_exact_ones(name, monkeypatch):
    monkeypatch.setattr(differentiation, "exact_moments", contextlib.nullcontext)
    learner, (tasks, query_y) = built(name, bn_mode="batch")
    assert slope_error(learner, tasks, query_y) > 1e-5


def linear(**options):
    network = keras.Sequential([keras.Input((4,)), layers.Dense(3, bias_initializer="normal")])
    learner = kmeta.MAML(network, **options)
    learner.build((4,))
    return learner


@pytest.mark.parametrize("options", [{"inner_steps": 3, "test_inner_steps": 1, "inner_lr": 0.7}])
def test_inner_loop_equals_gradient_descent_in_numpy(options):
    learner = linear(**options)
    tasks, _ = episode((4,))
    weights = [ops.convert_to_numpy(weight) for weight in learner.network.weights]
    for training, steps in ((True, 3), (False, 1)):
        expected = [
            oracles.maml_linear(*weights, x, y, query, steps, 0.7)
            for x, y, query in zip(*tasks.support, tasks.query_x, strict=True)
        ]
        np.testing.assert_allclose(learner(tasks, training=training), expected, atol=1e-5)


def test_graph_and_eager_training_agree():
    results = []
    for eager in (True, False):
        keras.utils.set_random_seed(7)
        learner = linear(inner_steps=2)
        learner.compile(keras.optimizers.SGD(0.5), run_eagerly=eager)
        data = np.random.default_rng(8)
        x, query_x = data.normal(size=(2, 4, 6, 4)).astype("float32")
        y = np.tile(np.eye(3, dtype="float32").repeat(2, 0), (4, 1, 1))
        query_y = np.tile(np.arange(6) // 2, (4, 1))
        learner.fit(Episode(Support(x, y), query_x), query_y, batch_size=4, epochs=2, verbose=0)
        results.append([ops.convert_to_numpy(weight) for weight in learner.weights])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("remat", [True, False])
def test_large_networks_train_in_graphs_as_they_do_eagerly(remat):
    # weights of 96 MiB with all their gradients: TensorFlow's graph optimiser then saves memory
    tasks, query_y = episode((64, 64, 3), tasks=1, shot=1, queries=3)
    start, steps = None, []
    for eager in (False, True):
        network = keras.Sequential([layers.Flatten(), layers.Dense(512, "tanh"), layers.Dense(3)])
        learner = kmeta.MAML(network, inner_steps=2, inner_lr=0.01, remat=remat)
        learner.build((64, 64, 3))
        start = start or learner.get_weights()
        learner.set_weights(start)
        learner.compile(keras.optimizers.SGD(0.1), run_eagerly=eager, jit_compile=False)
        for _ in range(2):
            learner.train_on_batch(tasks, query_y)
        steps.append([a - b for a, b in zip(learner.get_weights(), start, strict=True)])
    for graph, eager in zip(*steps, strict=True):
        np.testing.assert_allclose(graph, eager, rtol=1e-3, atol=1e-5 * abs(eager).max())


def test_a_scaled_loss_gives_the_same_step():
    """Optimizers for float16 scale the loss up and the gradients down."""
    tasks, query_y = episode((4,))
    steps = []
    for factor in (None, 1024.0):
        keras.utils.set_random_seed(7)
        learner = linear()
        learner.compile(keras.optimizers.SGD(1.0, loss_scale_factor=factor))
        logs = learner.train_step((tasks, query_y))
        steps.append([*learner.network.get_weights(), ops.convert_to_numpy(logs["loss"])])
    for a, b in zip(*steps, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_queries_may_be_weighted():
    """Weights of zero on the last queries leave the step of the first ones."""
    tasks, query_y = episode((4,))
    weighted, plain = linear(), linear()
    plain.network.set_weights(weighted.network.get_weights())
    for learner in (weighted, plain):
        learner.compile(keras.optimizers.SGD(1.0))
    weights = np.tile([2.0, 2.0, 2.0, 0.0, 0.0, 0.0], (2, 1)).astype("float32")
    weighted.train_step((tasks, query_y, weights))
    plain.train_step((tasks._replace(query_x=tasks.query_x[:, :3]), query_y[:, :3]))
    for a, b in zip(weighted.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
def test_replicas_share_the_step():
    """Two replicas on half of the tasks each make the steps of one on all, epoch by epoch."""
    script = Path(__file__).with_name("mirrored_maml.py")
    *_, one, two = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    np.testing.assert_allclose(json.loads(one), json.loads(two), atol=1e-5)


def test_queries_meet_only_in_batch_mode():
    network = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dense(3)])
    tasks, _ = episode((4,))
    for bn_mode, apart in (("support", True), ("running", True), ("batch", False)):
        learner = kmeta.MAML(network, bn_mode=bn_mode)
        together = ops.convert_to_numpy(learner(tasks))
        alone = learner(tasks._replace(query_x=tasks.query_x[:, :2]))
        assert np.allclose(together[:, :2], alone, atol=1e-5) == apart, bn_mode
        classifier = learner.adapt(tasks.support.x[0], tasks.support.y[0].argmax(-1))
        pair = classifier(tasks.query_x[0].astype("float32"))
        first = classifier(tasks.query_x[0, :1].astype("float32"))
        np.testing.assert_allclose(first, pair[:1], rtol=1e-5)


def test_support_mode_uses_the_statistics_of_the_support_set():
    norm = layers.BatchNormalization(trainable=True)
    network = keras.Sequential([keras.Input((4,)), norm, layers.Dense(3)])
    learner = kmeta.MAML(network, inner_steps=1)
    tasks, _ = episode((4,))
    state = learner.adapt_state(Support(*[ops.cast(part, "float32") for part in tasks.support]))
    mean, variance = (ops.convert_to_numpy(value) for value in state["fixed"])
    np.testing.assert_allclose(mean, tasks.support.x.mean(1), atol=1e-5)
    np.testing.assert_allclose(variance, tasks.support.x.var(1), rtol=1e-4)


def test_training_moves_running_statistics_and_only_then():
    network = keras.Sequential(
        [keras.Input((4,)), layers.BatchNormalization(momentum=0.5), layers.Dense(3)]
    )
    norm = network.layers[0]
    learner = kmeta.MAML(network, bn_mode="running")
    learner.compile()
    tasks, query_y = episode((4,))
    learner(tasks)
    np.testing.assert_array_equal(norm.moving_mean, np.zeros(4))
    learner.train_step((tasks, query_y))
    np.testing.assert_allclose(
        norm.moving_mean, 0.5 * tasks.query_x.mean(1).mean(0), rtol=1e-4, atol=1e-6
    )


def test_dropout_works_in_training_only_and_changes_from_step_to_step():
    network = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5, seed=1), layers.Dense(3)])
    learner = kmeta.MAML(network)
    tasks, _ = episode((4,))
    np.testing.assert_array_equal(learner(tasks), learner(tasks))
    first, second = learner(tasks, training=True), learner(tasks, training=True)
    assert abs(ops.convert_to_numpy(first - second)).max() > 1e-3


def test_frozen_layers_do_not_adapt():
    frozen = layers.Dense(5, trainable=False)
    network = keras.Sequential([keras.Input((4,)), frozen, layers.Dense(3)])
    learner = kmeta.MAML(network, inner_steps=2)
    learner.compile(keras.optimizers.SGD(1.0))
    before = ops.convert_to_numpy(frozen.kernel)
    tasks, query_y = episode((4,))
    learner.train_step((tasks, query_y))
    np.testing.assert_array_equal(frozen.kernel, before)
    weights = learner.adapt_state(Support(*[ops.cast(s, "float32") for s in tasks.support]))[
        "weights"
    ]
    assert [tuple(weight.shape) for weight in weights] == [(2, 5, 3), (2, 3)]


def test_regularisation_of_the_network_counts_in_the_outer_loss():
    network = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.5))]
    )
    plain = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    plain.set_weights(network.get_weights())
    tasks, query_y = episode((4,))
    steps = []
    for model in (network, plain):
        learner = kmeta.MAML(model)
        learner.compile(keras.optimizers.SGD(1.0))
        kernel = ops.convert_to_numpy(model.layers[0].kernel)
        learner.train_step((tasks, query_y))
        steps.append(kernel - ops.convert_to_numpy(model.layers[0].kernel))
    np.testing.assert_allclose(steps[0] - steps[1], kernel, rtol=1e-3, atol=1e-5)  # 0.5 * 2 * w


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inner_steps": 0}, "`inner_steps` must be a positive integer. Received: inner_steps=0"),
        (
            {"test_inner_steps": 1.5},
            "`test_inner_steps` must be an integer of at least 0. Received",
        ),
        ({"inner_lr": -1}, "`inner_lr` must be a positive, finite number. Received: inner_lr=-1"),
        (
            {"bn_mode": "transductive"},
            "must be one of .'support', 'support\\+1', 'batch', 'running'.",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        linear(**options)


def test_another_way_than_the_network_has():
    learner = linear()
    with pytest.raises(ValueError, match="network predicts 3 classes.*support set has 5"):
        learner.adapt(rng.normal(size=(5, 4)), np.arange(5))
    with pytest.raises(ValueError, match="network predicts 3 classes.*support set has 5"):
        learner(episode((4,), way=5)[0])


@pytest.mark.parametrize("graph", [False, True])
def test_a_tape_of_ones_own_around_call_sees_the_same_gradient(graph):
    learner, (tasks, query_y) = built("BatchNormalization", bn_mode="batch")
    weights = learner.network.trainable_weights
    before = [ops.convert_to_numpy(weight) for weight in weights]

    def gradients():
        with tf.GradientTape() as tape:
            logits = learner(tasks, training=True)
            loss = keras.losses.sparse_categorical_crossentropy(query_y, logits, from_logits=True)
            loss = ops.mean(loss)
        return tape.gradient(loss, [weight.value for weight in weights])

    through_call = (tf.function(gradients) if graph else gradients)()
    learner.train_step((tasks, query_y))
    for old, weight, gradient in zip(before, weights, through_call, strict=True):
        np.testing.assert_allclose(old - ops.convert_to_numpy(weight), gradient, atol=1e-9)
