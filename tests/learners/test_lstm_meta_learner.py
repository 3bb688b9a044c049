"""The LSTM meta-learner against loops in NumPy and, in float64, central differences."""

import keras
import numpy as np
import oracles
import pytest
from keras import layers, ops

import kmeta
from kmeta import Episode, Support

TASKS, WAY, SHOT = 2, 3, 2


def episode(queries=4, seed=1, shape=(4,)):
    rng = np.random.default_rng(seed)
    y = np.tile(np.repeat(np.eye(WAY), SHOT, axis=0), (TASKS, 1, 1))
    x, query_x = (rng.normal(size=(TASKS, n, *shape)) for n in (WAY * SHOT, queries))
    return Episode(Support(x, y), query_x), rng.integers(0, WAY, (TASKS, queries)).astype("int32")


def made(parts, shape=(4,), spread=0.2, **options):
    keras.utils.set_random_seed(5)
    network = keras.Sequential([keras.Input(shape, dtype="float64"), *parts])
    options = {"inner_steps": 3, "units": 4, **options}
    learner = kmeta.LSTMMetaLearner(network, dtype="float64", **options)
    learner.build(shape)
    rng = np.random.default_rng(6)
    for weight in learner.trainable_weights:
        weight.assign(weight + spread * rng.normal(size=weight.shape))
    learner.learned_optimizer.update_bias.assign([-1.0])  # steps of some size
    return learner


def linear(**options):
    return made([layers.Dense(WAY, dtype="float64")], **options)


def optimizer_weights(learner):
    ours = learner.learned_optimizer
    gates = (ours.forget_kernel, ours.forget_bias, ours.update_kernel, ours.update_bias)
    return [*ours.cell.get_weights(), *(weight.numpy() for weight in gates)]


def adapted_in_numpy(learner, x, one_hot, steps, constants=None):
    """Weights of a linear network, and the gradients and losses that were met on the way."""
    kernel, bias = learner.network.get_weights()
    theta, met = np.concatenate([kernel.ravel(), bias]), []
    units = learner.units
    state = [(np.zeros(units), np.zeros(units), 0.0, 0.0)] * len(theta)
    for step in range(steps):
        weights = theta[: kernel.size].reshape(kernel.shape), theta[kernel.size :]
        parts = oracles.linear_gradient(*weights, x, one_hot)
        gradient = np.concatenate([part.ravel() for part in parts])
        p = oracles.softmax(x @ weights[0] + weights[1])
        loss = -np.log((p * one_hot).sum(1)).mean()
        if constants is not None:
            gradient, loss = constants[step]
        met.append((gradient, loss))
        theta, state = oracles.learned_update(
            theta, gradient, loss, state, optimizer_weights(learner)
        )
    return (theta[: kernel.size].reshape(kernel.shape), theta[kernel.size :]), met


@pytest.mark.parametrize("options", [{"inner_steps": 3, "test_inner_steps": 1}, {"units": 2}])
def test_inner_loop_equals_loops_in_numpy(options):
    learner = linear(**options)
    tasks, _ = episode()
    for training in (True, False):
        steps = 3 if training else options.get("test_inner_steps", 3)
        logits = learner(tasks, training=training)
        for i in range(TASKS):
            (kernel, bias), _ = adapted_in_numpy(
                learner, tasks.support.x[i], tasks.support.y[i], steps
            )
            np.testing.assert_allclose(logits[i], tasks.query_x[i] @ kernel + bias, rtol=1e-6)


def loss_in_numpy(learner, tasks, query_y, constants=None):
    losses, met = [], []
    for i in range(TASKS):
        (kernel, bias), seen = adapted_in_numpy(
            learner,
            tasks.support.x[i],
            tasks.support.y[i],
            learner.inner_steps,
            None if constants is None else constants[i],
        )
        p = oracles.softmax(tasks.query_x[i] @ kernel + bias)
        losses.append(-np.log(p[np.arange(len(p)), query_y[i]]).mean())
        met.append(seen)
    return np.mean(losses), met


def step_of(learner, tasks, query_y):
    before = [weight.numpy() for weight in learner.trainable_weights]
    learner.train_step((tasks, query_y))  # plain SGD with rate 1: the step is the gradient
    gradient = [
        old - weight.numpy() for old, weight in zip(before, learner.trainable_weights, strict=True)
    ]
    for weight, old in zip(learner.trainable_weights, before, strict=True):
        weight.assign(old)
    return before, gradient


@pytest.mark.parametrize("remat", [True, False])
def test_meta_gradient_is_the_published_one(remat):
    """The gradient with inner gradients and losses held constant, and not the whole one."""
    learner = linear(remat=remat)
    learner.compile(keras.optimizers.SGD(1.0))
    tasks, query_y = episode()
    before, gradient = step_of(learner, tasks, query_y)
    norm = np.sqrt(sum((g**2).sum() for g in gradient))
    _, constants = loss_in_numpy(learner, tasks, query_y)

    def slope(constants, epsilon=1e-6):
        values = []
        for sign in (1, -1):
            for weight, old, g in zip(learner.trainable_weights, before, gradient, strict=True):
                weight.assign(old + sign * epsilon * g / norm)
            values.append(loss_in_numpy(learner, tasks, query_y, constants)[0])
        return (values[0] - values[1]) / (2 * epsilon)

    assert abs(slope(constants) - norm) / norm < 1e-6
    assert abs(slope(None) - norm) / norm > 1e-3


@pytest.mark.slow
def test_memory_saving_does_not_change_the_gradient_of_a_normalised_network():
    tasks, query_y = episode(shape=(8, 8, 1))
    steps = []
    for remat in (True, False):
        parts = [
            layers.Conv2D(3, 3, strides=2, dtype="float64"),
            layers.BatchNormalization(dtype="float64"),
            layers.Activation("tanh", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(WAY, dtype="float64"),
        ]
        learner = made(parts, (8, 8, 1), remat=remat, inner_steps=2)
        learner.compile(keras.optimizers.SGD(1.0), jit_compile=False)
        learner.train_on_batch(tasks, query_y)
        steps.append(learner.get_weights())
    for a, b in zip(*steps, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def normalised(**options):
    parts = [
        layers.BatchNormalization(epsilon=0.1, momentum=0.8, dtype="float64"),
        layers.Dense(WAY, dtype="float64"),
    ]
    return made(parts, **options)


def test_statistics_of_queries():
    tasks, _ = episode()
    support, queries = tasks.support.x[0], tasks.query_x[0]
    for bn_mode in ("running", "support", "support+1", "batch"):
        learner = normalised(bn_mode=bn_mode)
        norm = learner.network.layers[0]
        norm.moving_mean.assign(norm.moving_mean + 7.0)  # averages do not outlive their task
        gamma, beta, kernel, bias = (
            w[0].numpy()
            for w in learner.adapt_state(Support(*map(ops.convert_to_tensor, tasks.support)))[
                "weights"
            ]
        )
        for training in (False, True):
            if training:  # more would move in the inner loop itself
                logits = learner(tasks, training=True)
            else:
                logits = learner(tasks)
            for i, query in enumerate(queries):
                seen = np.concatenate([support, query[None]])
                seen = {"support": support, "support+1": seen}.get(bn_mode, queries)
                mean, variance = seen.mean(0), seen.var(0)
                if bn_mode == "running" and not training:
                    kept = 0.8**3
                    mean = (1 - kept) * support.mean(0)
                    variance = kept + (1 - kept) * support.var(0)
                x = (query - mean) / np.sqrt(variance + 0.1) * gamma + beta
                np.testing.assert_allclose(logits[0, i], x @ kernel + bias, atol=1e-6)
        classifier = learner.adapt(support.astype("float32"), np.repeat(range(WAY), SHOT))
        assert classifier.bn_mode == ("running" if bn_mode == "running" else "support")


@pytest.mark.slow
def test_compiled_training_gives_the_same_numbers():
    """Eager, graph and XLA."""
    results = []
    for options in ({"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}):
        learner = linear()
        learner.compile(keras.optimizers.SGD(1.0), **options)
        learner.train_on_batch(*episode())
        results.append(learner.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-7)


def test_weights_of_network_and_optimizer_are_learned():
    learner = linear()
    learner.compile(keras.optimizers.SGD(1.0))
    _, gradient = step_of(learner, *episode())
    assert len(gradient) == 2 + 7
    assert all(abs(g).max() > 0 for g in gradient)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"remat": "no"}, "`remat` must be True or False. Received: remat='no'"),
        ({"inner_steps": 0}, "`inner_steps` must be a positive integer. Received: inner_steps=0"),
        (
            {"test_inner_steps": 1.5},
            "`test_inner_steps` must be an integer of at least 0. Received",
        ),
        ({"units": 0}, "`units` must be a positive integer. Received: units=0"),
        ({"bn_mode": "all"}, "must be one of .'support', 'support\\+1', 'batch', 'running'."),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        linear(**options)


def test_another_way_than_the_network_has():
    with pytest.raises(ValueError, match="network predicts 3 classes.*support set has 5"):
        linear().adapt(np.zeros((5, 4), "float32"), np.arange(5))


def test_configuration_keeps_every_option():
    options = {
        "inner_steps": 4,
        "test_inner_steps": 2,
        "units": 3,
        "bn_mode": "batch",
        "remat": False,
    }
    learner = linear(**options)
    config = type(learner).from_config(learner.get_config()).get_config()
    assert {name: config[name] for name in options} == options


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains(policy):
    learner = kmeta.LSTMMetaLearner(
        keras.Sequential([layers.Dense(WAY, dtype=policy)]), inner_steps=2, dtype=policy
    )
    learner.build((4,))
    learner.compile(keras.optimizers.Adam(0.1))
    tasks, query_y = episode()
    losses = [learner.train_on_batch(tasks, query_y)[0] for _ in range(8)]
    assert losses[-1] < 0.9 * losses[0]
