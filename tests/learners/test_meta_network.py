"""Meta Networks against loops in NumPy and, in float64, central differences."""

import keras
import metanet_oracle
import numpy as np
import pytest
from keras import ops, tree

import kmeta
from kmeta import Episode, Support
from kmeta.layers import AugmentedConvNet, fast_weights
from kmeta.ops import fast_weights as equations

TASKS, WAY, SHAPE = 2, 3, (6, 6, 1)


def network(**options):
    options = {"filters": 3, "blocks": 2, "features": 4, "dtype": "float64", **options}
    return AugmentedConvNet(WAY, **options)


def made(embedding=None, blocks=2, **options):
    keras.utils.set_random_seed(5)
    options = {"units": 4, "dtype": "float64", **options}
    learner = kmeta.MetaNetwork(network(blocks=blocks), embedding, **options)
    learner.build(SHAPE)
    rng = np.random.default_rng(6)
    for weight in learner.trainable_weights:
        weight.assign(weight + 0.2 * rng.normal(size=weight.shape))
    return learner


def episode(queries=4, seed=1):
    rng = np.random.default_rng(seed)
    y = np.tile(np.eye(WAY), (TASKS, 1, 1))
    x, query_x = (rng.normal(size=(TASKS, n, *SHAPE)) for n in (WAY, queries))
    return Episode(Support(x, y), query_x), rng.integers(0, WAY, (TASKS, queries)).astype("int32")


@pytest.mark.parametrize("changes", [{}, {"units": 3}, {"embedding": {"filters": 2, "blocks": 1}}])
def test_logits_equal_loops_in_numpy(changes):
    embedding = network(**changes["embedding"]) if "embedding" in changes else None
    learner = made(**{**changes, "embedding": embedding})
    tasks, _ = episode()
    logits = learner(tasks)
    for i in range(TASKS):
        expected, _ = metanet_oracle.predictions(
            learner, tasks.support.x[i], tasks.support.y[i], tasks.query_x[i]
        )
        np.testing.assert_allclose(logits[i], expected, rtol=1e-9)
    assert np.ptp(logits, axis=(0, 1)).min() > 0.01  # they do depend on the query


def test_meta_information_is_the_gradient_of_each_example_alone():
    learner = made()
    (x, y), _ = episode()[0]
    slow = tree.map_structure(ops.convert_to_tensor, learner.network.kernels)
    labels = np.concatenate([y[0], np.zeros((1, WAY))])
    images = np.concatenate([x[0], x[1, :1]])
    found = tree.flatten(equations.meta_information(images, labels, slow))
    kernels = [np.array(w) for w in tree.flatten(slow)]
    for i in range(WAY):
        expected = metanet_oracle.gradients(images[i], labels[i], kernels)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-12)
    assert all(np.abs(gradient[WAY]).max() == 0 for gradient in found)  # padding


def numpy_loss(learner, tasks, query_y, constants=(None,) * TASKS):
    losses, met = [], []
    for i in range(TASKS):
        logits, seen = metanet_oracle.predictions(
            learner, tasks.support.x[i], tasks.support.y[i], tasks.query_x[i], constants[i]
        )
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        losses.append(-np.log(p[np.arange(len(p)), query_y[i]]).mean())
        met.append(seen)
    return np.mean(losses), met


def step_of(learner, tasks, query_y):
    """Weights, and the outer gradient: the step of plain SGD with rate 1."""
    before = [weight.numpy() for weight in learner.trainable_weights]
    learner.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    learner.train_on_batch(tasks, query_y)
    moved = [weight.numpy() for weight in learner.trainable_weights]
    for weight, old in zip(learner.trainable_weights, before, strict=True):
        weight.assign(old)
    return before, [old - new for old, new in zip(before, moved, strict=True)]


def test_outer_gradient_takes_meta_information_for_constant(monkeypatch):
    learner, (tasks, query_y) = made(), episode()
    _, constants = numpy_loss(learner, tasks, query_y)

    def error(constants):
        """Of the learner's gradient, against central differences along it."""
        before, gradient = step_of(learner, tasks, query_y)
        norm, values = np.sqrt(sum((g**2).sum() for g in gradient)), []
        for sign in (1e-6, -1e-6):
            for weight, old, g in zip(learner.trainable_weights, before, gradient, strict=True):
                weight.assign(old + sign * g / norm)
            values.append(numpy_loss(learner, tasks, query_y, constants)[0])
        for weight, old in zip(learner.trainable_weights, before, strict=True):
            weight.assign(old)
        return abs((values[0] - values[1]) / 2e-6 - norm) / norm

    assert error(constants) < 1e-6
    whole = (None,) * TASKS
    assert error(whole) > 1e-3
    monkeypatch.setattr(equations.ops, "stop_gradient", lambda x: x)
    assert error(constants) > 1e-3
    assert error(whole) < 1e-6


def test_every_trainable_weight_has_a_gradient():
    learner = made()
    _, gradient = step_of(learner, *episode())
    assert len(gradient) == 4 + 3 + 2 * 4 + 2 * 6
    assert all(abs(g).max() > 0 for g in gradient)
    assert not learner.embedding.head.trainable


@pytest.mark.slow
def test_pieces_of_coordinates_make_no_difference(monkeypatch):
    """Neither to the logits nor to the outer gradient, eagerly and in a graph."""
    learner, (tasks, query_y) = made(blocks=1), episode()
    logits, (before, gradient) = learner(tasks), step_of(learner, tasks, query_y)
    monkeypatch.setattr(fast_weights, "TOGETHER", 7)
    np.testing.assert_allclose(learner(tasks), logits, rtol=1e-12)
    for run_eagerly in (True, False):
        learner.compile(keras.optimizers.SGD(1.0), run_eagerly=run_eagerly, jit_compile=False)
        learner.train_on_batch(tasks, query_y)
        for weight, old, g in zip(learner.trainable_weights, before, gradient, strict=True):
            np.testing.assert_allclose(old - weight.numpy(), g, rtol=1e-8, atol=1e-12)
            weight.assign(old)


@pytest.mark.parametrize("places", [[0], [2], [3], [1, 1]])
def test_padding_is_neither_read_nor_remembered(places):
    learner, (tasks, _) = made(), episode()
    x, y = tasks.support
    padded = Support(np.insert(x, places, 5.0, axis=1), np.insert(y, places, 0.0, axis=1))
    np.testing.assert_allclose(learner(tasks._replace(support=padded)), learner(tasks), rtol=1e-9)


def test_the_support_set_is_read_in_order():
    learner, (tasks, _) = made(), episode()
    support = Support(*(part[:, ::-1] for part in tasks.support))
    assert np.abs(learner(tasks._replace(support=support)) - learner(tasks)).max() > 1e-4


def patterns(count, seed):
    """Tasks of patterns with noise, one pattern a class."""
    rng = np.random.default_rng(seed)
    means = np.kron(rng.random((count, WAY, 3, 3)), np.ones((2, 2)))[..., None]

    def draw(number):
        x = means.repeat(number, axis=1)
        return (x + 0.1 * rng.normal(size=x.shape)).clip(0, 1).astype("float32")

    y = np.tile(np.eye(WAY, dtype="float32"), (count, 1, 1))
    query_y = np.tile(np.arange(WAY).repeat(5), (count, 1)).astype("int32")
    return Episode(Support(draw(1), y), draw(5)), query_y


def logits_without(learner, tasks, *names):
    """With the named parts of the state set to zero."""
    state = learner.adapt_state(Support(*map(ops.convert_to_tensor, tasks.support)))
    for name in names:
        state[name] = tree.map_structure(ops.zeros_like, state[name])
    return ops.convert_to_numpy(learner.classify(state, ops.convert_to_tensor(tasks.query_x)))


@pytest.mark.parametrize("name", ["values", "task_fast"])
def test_each_part_of_the_fast_weights_changes_answers(name):
    """`task_fast`: queries embedded without the task's weights, which keys are embedded with."""
    learner, (tasks, _) = made(), episode()
    changes = np.abs(logits_without(learner, tasks, name) - logits_without(learner, tasks))
    assert changes.max(axis=(1, 2)).min() > 1e-3  # in each task; of rounding 1e-15


def test_a_trained_learner_answers_by_its_fast_weights():
    keras.utils.set_random_seed(3)
    learner = kmeta.MetaNetwork(AugmentedConvNet(WAY, filters=6, blocks=1, features=12), units=10)
    learner.compile(keras.optimizers.Adam(0.01))
    learner.fit(*patterns(96, 0), batch_size=4, epochs=2, verbose=0)
    tasks, query_y = patterns(40, 1)
    whole, without = (
        np.mean(logits_without(learner, tasks, *names).argmax(-1) == query_y)
        for names in ((), ("values",))
    )
    assert whole > 0.8
    assert without < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of -1e9, for "never"
def test_it_trains_in_mixed_precision(policy):
    keras.utils.set_random_seed(1)
    small = AugmentedConvNet(WAY, filters=4, blocks=1, features=8, dtype=policy)
    learner = kmeta.MetaNetwork(small, units=4, dtype=policy)
    learner.compile(keras.optimizers.Adam(0.03), jit_compile=False)
    losses = learner.fit(*patterns(8, 0), batch_size=4, epochs=40, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and min(losses) < 0.3 * losses[0]
    task, _ = patterns(1, 1)
    classifier = learner.adapt(task.support.x[0], np.arange(WAY))
    found, expected = classifier(task.query_x[0]), ops.softmax(learner(task))[0]
    np.testing.assert_allclose(*(ops.cast(x, "float32") for x in (found, expected)), atol=0.02)


@pytest.mark.slow
def test_half_precision_counts_the_items_of_a_large_support_set():
    """Padding between the items, more of them than bfloat16 has whole numbers."""
    keras.utils.set_random_seed(2)
    exact, half = (
        fast_weights.TaskFastWeights(units=4, dtype=dtype) for dtype in ("float32", "bfloat16")
    )
    gradients = np.random.default_rng(3).normal(size=(400, 5)).astype("float32")
    valid = np.float32(np.arange(400) % 8 > 0)
    valid[1] = 0  # an odd number of items
    for layer in (exact, half):
        layer.build()
    exact.set_weights([10 * weight for weight in exact.get_weights()])
    half.set_weights(exact.get_weights())
    found, expected = (ops.cast(layer(gradients, valid), "float32") for layer in (half, exact))
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((keras.layers.Dense(3),), "`network` must be a `kmeta.layers.AugmentedConvNet`. Received"),
        ((network(), keras.layers.Dense(3)), "`embedding` must be a `kmeta.layers.Augmented"),
        ((network(), None, 0), "`units` must be a positive integer. Received: units=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        kmeta.MetaNetwork(*arguments)


def test_another_way_than_the_network_has():
    with pytest.raises(ValueError, match="network predicts 3 classes.*support set has 5"):
        made().adapt(np.zeros((5, *SHAPE), "float32"), np.arange(5))


def test_there_is_no_batch_normalisation_to_choose():
    learner = made()
    assert learner.bn_mode == learner.deployed_bn_mode == "none"
    with pytest.raises(ValueError, match="`bn_mode` must be one of .'none'.. Received: bn_mode='b"):
        learner.with_options(bn_mode="batch")


def test_copies_take_networks_as_the_constructor_does():
    learner = made()
    copy = learner.with_options(network=network(), embedding=network())
    np.testing.assert_array_equal(copy(episode()[0]), learner(episode()[0]))
    with pytest.raises(ValueError, match="make a new MetaNetwork instead. Received: units=9"):
        learner.with_options(units=9)
    with pytest.raises(ValueError, match="must not change their number or shapes.*embedding=<Aug"):
        learner.with_options(embedding=network(features=9))


def test_configuration_keeps_every_option():
    learner = made(embedding=network(features=7), units=3)
    copy = type(learner).from_config(learner.get_config())
    assert (copy.units, copy.embedding.features, copy.network.features) == (3, 7, 4)
