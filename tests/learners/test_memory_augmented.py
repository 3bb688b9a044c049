"""Memory-Augmented Neural Networks against loops in NumPy, in float64."""

import keras
import numpy as np
import oracles
import pytest
from keras import ops

import kmeta
from kmeta import Episode, Sequence, Support
from kmeta.data.strings import STRINGS, letters, one_hot
from kmeta.layers import MemoryCell
from kmeta.learners.memory.memory_augmented import LabelAccuracy

WAY, FEATURES, UNITS, SLOTS, WIDTH, HEADS = 3, 4, 6, 5, 4, 2
rng = np.random.default_rng(11)


def made(way=WAY, cell=None, **options):
    """A network on features as they are, with random weights."""
    cell = cell or MemoryCell(UNITS, SLOTS, WIDTH, HEADS, dtype="float64")
    learner = kmeta.MemoryAugmentedNetwork(
        keras.layers.Identity(dtype="float64"), way, cell, dtype="float64", **options
    )
    learner.build((FEATURES,))
    for weight in learner.weights:
        weight.assign(rng.normal(size=weight.shape))
    return learner


def sequence(labels):
    """A `Sequence` of random features for one-hot `labels` `[tasks, steps, symbols]`."""
    previous = np.concatenate([np.zeros_like(labels[:, :1]), labels[:, :-1]], axis=1)
    return Sequence(rng.normal(size=(*labels.shape[:2], FEATURES)), previous)


def random_labels(tasks=2, steps=7, way=WAY):
    return np.eye(way)[rng.integers(0, way, (tasks, steps))]


def test_a_sequence_equals_the_loops():
    learner = made()
    given = sequence(random_labels())
    weights = [ops.convert_to_numpy(weight) for weight in learner.rnn.cell.weights]
    kernel, bias = (ops.convert_to_numpy(weight) for weight in learner.head.weights)
    expected = []
    for x, previous_y in zip(*given, strict=True):
        first = np.eye(SLOTS)[0]
        state = (np.zeros(UNITS), np.zeros(UNITS), np.full((SLOTS, WIDTH), 1e-6))
        state = (*state, np.full((HEADS, WIDTH), 1e-6), np.tile(first, (HEADS, 1)), first)
        for step in np.concatenate([x, previous_y], axis=1):
            output, state = oracles.memory_step(step, state, weights, HEADS, 0.99)
            expected.append(output @ kernel + bias)
    np.testing.assert_allclose(learner(given), np.reshape(expected, (2, 7, WAY)), atol=1e-6)


def test_the_weights_of_the_memory_are_those_of_the_loops():
    learner = made()
    given = sequence(random_labels())
    weights = [ops.convert_to_numpy(weight) for weight in learner.rnn.cell.weights]
    found = {name: np.asarray(x) for name, x in learner.memory_weights(given).items()}
    assert found["write"].shape == found["read"].shape == (2, 7, HEADS, SLOTS)
    for task, (x, previous_y) in enumerate(zip(*given, strict=True)):
        state = (np.zeros(UNITS), np.zeros(UNITS), np.full((SLOTS, WIDTH), 1e-6))
        first = np.eye(SLOTS)[0]
        state = (*state, np.full((HEADS, WIDTH), 1e-6), np.tile(first, (HEADS, 1)), first)
        for t, step in enumerate(np.concatenate([x, previous_y], axis=1)):
            before = state[-1]
            _, state = oracles.memory_step(step, state, weights, HEADS, 0.99)
            *_, read, usage = state
            np.testing.assert_allclose(found["read"][task, t], read, atol=1e-6)
            np.testing.assert_allclose(found["usage"][task, t], usage, atol=1e-6)
            written = usage - 0.99 * before - read.sum(axis=0)  # equation 5, solved for w^w
            np.testing.assert_allclose(found["write"][task, t].sum(axis=0), written, atol=1e-6)
    with pytest.raises(ValueError, match="Only a network with cell='memory'.*LSTMCell"):
        made(cell=keras.layers.LSTMCell(UNITS, dtype="float64")).memory_weights(given)
    with pytest.raises(ValueError, match="takes labels of 3 numbers"):
        learner.memory_weights(sequence(random_labels(way=4)))


def test_labels_are_seen_one_step_late():
    """Another label at step 3 changes the answers from step 4 on, and none before."""
    learner = made()
    labels = random_labels()
    given = sequence(labels)
    other = labels.copy()
    other[:, 3] = np.roll(other[:, 3], 1, axis=-1)
    previous = np.concatenate([np.zeros_like(other[:, :1]), other[:, :-1]], axis=1)
    change = np.abs(learner(given) - learner(given._replace(previous_y=previous))).max((0, 2))
    assert (change[:4] == 0).all() and (change[4:] > 1e-6).all()


@pytest.mark.parametrize("labels", ["one_hot", "strings"])
@pytest.mark.parametrize("cell", ["memory", "lstm"])
def test_a_query_is_one_more_step(labels, cell):
    cell = keras.layers.LSTMCell(UNITS, dtype="float64") if cell == "lstm" else None
    learner = made(cell=cell, labels=labels)
    classes = rng.integers(0, WAY, (2, 5))
    query_x = rng.normal(size=(2, 4, FEATURES))
    if labels == "one_hot":
        shown = names = np.eye(WAY)
        shown = shown[classes]
    else:
        names = one_hot(np.random.default_rng(0).permutation(STRINGS)[:WAY])
        shown = names[classes]
    read = sequence(shown)
    support = Support(read.x, np.eye(WAY)[classes])
    answers = learner(Episode(support, query_x))
    for query in range(4):
        longer = Sequence(
            np.concatenate([read.x, query_x[:, query : query + 1]], axis=1),
            np.concatenate([read.previous_y, shown[:, -1:]], axis=1),
        )
        last = ops.convert_to_numpy(learner(longer))[:, -1]
        if labels == "strings":
            last = np.log(oracles.softmax(last)).reshape(2, -1) @ names.T
        np.testing.assert_allclose(answers[:, query], last, atol=1e-9)


def test_features_may_be_standardized():
    learner = made(standardize=True)
    plain = made()
    plain.set_weights(learner.rnn.weights + learner.head.weights)
    learner.normalization.set_weights([np.arange(4.0), np.arange(1.0, 5.0)])
    given = sequence(random_labels())
    moved = given._replace(x=(given.x - np.arange(4.0)) / np.sqrt(np.arange(1.0, 5.0) + 1e-3))
    np.testing.assert_allclose(learner(given), plain(moved), atol=1e-9)
    mean, variance = given.x.mean((0, 1)), given.x.var((0, 1))
    batch = given._replace(x=(given.x - mean) / np.sqrt(variance + 1e-3))
    np.testing.assert_allclose(learner(given, training=True), plain(batch), atol=1e-6)


def test_padding_is_not_read_wherever_it_stands():
    learner = made()
    x, y = rng.normal(size=(1, 4, FEATURES)), random_labels(1, 4)
    query_x = rng.normal(size=(1, 3, FEATURES))
    expected = learner(Episode(Support(x, y), query_x))
    padded_x, padded_y = np.zeros((1, 7, FEATURES)), np.zeros((1, 7, WAY))
    padded_x += 5.0
    padded_x[:, [0, 2, 3, 6]], padded_y[:, [0, 2, 3, 6]] = x, y
    found = learner(Episode(Support(padded_x, padded_y), query_x))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_order_of_the_support_set_is_read():
    learner = made()
    x, y = rng.normal(size=(1, 4, FEATURES)), random_labels(1, 4)
    query_x = rng.normal(size=(1, 3, FEATURES))
    there, back = (
        learner(Episode(Support(x[:, order], y[:, order]), query_x))
        for order in ([0, 1, 2, 3], [3, 2, 1, 0])
    )
    assert np.abs(there - back).max() > 1e-3


def test_string_labels_take_any_way():
    learner = made(labels="strings", way=2)
    for way in (2, 30):
        support = Support(rng.normal(size=(1, way, FEATURES)), np.eye(way)[None])
        logits = learner(Episode(support, rng.normal(size=(1, 2, FEATURES))))
        assert logits.shape == (1, 2, way)
        assert (np.exp(logits).sum(-1) < 1).all()  # other strings have the rest
    assert learner.adapt(support.x[0], np.arange(30))(np.zeros((1, FEATURES))).shape == (1, 30)


def test_a_string_is_right_if_all_letters_are():
    spelled = letters(np.array([[7, 1234]]))
    np.testing.assert_array_equal(spelled, [[[0, 0, 0, 1, 2], [1, 4, 4, 1, 4]]])
    logits = np.eye(5)[spelled]
    metric = LabelAccuracy()
    metric.update_state(spelled, logits)
    assert float(metric.result()) == 1
    logits[0, 1, 2] = [9, 0, 0, 0, 0]
    metric.reset_state()
    metric.update_state(spelled, logits)
    assert float(metric.result()) == 0.5


def test_fit_on_sequences_trains_every_step():
    """The loss that `fit` reports is the mean cross-entropy of all steps, and of all letters."""
    for labels in ("one_hot", "strings"):
        learner = made(labels=labels, way=4)
        data = kmeta.data.from_arrays(
            rng.normal(size=(40, FEATURES)).astype("float32"), np.arange(40) % 8
        )
        episodes = kmeta.data.SequenceEpisodes(
            data, way=4, instances=3, tasks_per_step=5, steps=2, labels=labels
        )
        learner.compile(keras.optimizers.SGD(0.0))
        history = learner.fit(episodes, verbose=0).history
        losses, right = [], []
        episodes.epoch = 0
        for given, y in episodes:
            logits = ops.convert_to_numpy(learner(given))
            chosen = np.take_along_axis(oracles.softmax(logits), y[..., None], axis=-1)
            losses.append(-np.log(chosen).mean())
            hits = logits.argmax(-1) == y
            right.append((hits.all(-1) if labels == "strings" else hits).mean())
        assert history["loss"][0] == pytest.approx(np.mean(losses), rel=1e-5)
        assert history["accuracy"][0] == pytest.approx(np.mean(right), abs=1e-6)


def recall(cell):
    """Accuracy at the instances of a class, of patterns of 32 signs that are new in every task."""
    patterns = np.random.default_rng(0).choice([-1.0, 1.0], size=(3000, 32)).astype("float32")
    data = kmeta.data.from_arrays(patterns.repeat(10, axis=0), np.arange(3000).repeat(10))
    keras.utils.set_random_seed(0)
    learner = kmeta.MemoryAugmentedNetwork(keras.layers.Identity(), 5, cell)
    learner.compile(keras.optimizers.Adam(3e-3, global_clipnorm=10.0), jit_compile=False)
    learner.fit(kmeta.data.SequenceEpisodes(data, steps=600), verbose=0)
    tests = kmeta.data.SequenceEpisodes(data, steps=20, seed=1)
    accuracies = [accuracy for accuracy, _ in kmeta.evaluate(learner, tests, verbose=0).instances]
    return learner.count_params(), accuracies


@pytest.mark.slow
def test_recalls_what_an_lstm_of_equal_size_does_not():
    """Both in about two minutes on two cores, three quarters of it for the memory."""
    size, memory = recall(MemoryCell(64, 32, 24, 4, scale=8.0))
    baseline_size, baseline = recall(keras.layers.LSTMCell(103))
    assert abs(size - baseline_size) < 0.02 * size
    assert memory[-1] > 0.8
    assert max(baseline) < 0.5


@pytest.mark.slow
def test_a_learner_that_is_not_built_has_memory_weights_and_trains_on():
    labels = random_labels().astype("float32")
    given = Sequence(rng.random((2, 7, 2, 2)).astype("float32"), labels)
    learner = kmeta.MemoryAugmentedNetwork(
        keras.layers.Flatten(), WAY, MemoryCell(UNITS, SLOTS, WIDTH, HEADS), standardize=True
    )
    assert learner.memory_weights(given)["read"].shape == (2, 7, HEADS, SLOTS)
    assert learner.image_shape == (2, 2)
    learner.compile()
    learner.fit(given, labels.argmax(-1), verbose=0)
    assert learner(given).shape == (2, 7, WAY)


def test_copies_take_a_cell_as_the_constructor_does():
    learner, given = made(), sequence(random_labels())
    copy = learner.with_options(cell=MemoryCell(UNITS, SLOTS, WIDTH, HEADS, dtype="float64"))
    np.testing.assert_array_equal(copy(given), learner(given))
    copy = learner.with_options(network=keras.layers.Identity(dtype="float64"))
    np.testing.assert_array_equal(copy(given), learner(given))
    with pytest.raises(
        ValueError, match="make a new MemoryAugmentedNetwork instead. Received: cell='lstm'"
    ):
        learner.with_options(cell="lstm")


@pytest.mark.parametrize(("mine", "theirs"), [("one_hot", "strings"), ("strings", "one_hot")])
def test_fit_refuses_the_other_kind_of_labels(mine, theirs):
    """Both show 25 numbers."""
    data = kmeta.data.from_arrays(np.zeros((50, FEATURES), "float32"), np.arange(50) % 25)
    episodes = kmeta.data.SequenceEpisodes(data, way=25, instances=2, steps=1, labels=theirs)
    learner = made(labels=mine, way=25)
    learner.compile()
    with pytest.raises(ValueError, match=f"predicts labels='{mine}'.*with labels='{theirs}'"):
        learner.fit(episodes, verbose=0)


def test_names_of_cells_are_those_of_the_paper():
    memory = kmeta.MemoryAugmentedNetwork(keras.layers.Flatten())
    cell = memory.rnn.cell
    sizes = (cell.units, cell.slots, cell.width, cell.heads, cell.decay, cell.controller)
    assert sizes == (200, 128, 40, 4, 0.99, "lstm")
    sharp = kmeta.MemoryAugmentedNetwork(keras.layers.Flatten(), scale=9.0)
    assert cell.scale == 1.0 and sharp.rnn.cell.scale == 9.0
    baseline = kmeta.MemoryAugmentedNetwork(keras.layers.Flatten(), cell="lstm")
    assert isinstance(baseline.rnn.cell, keras.layers.LSTMCell)
    assert baseline.rnn.cell.units == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"way": 1}, "`way` must be an integer of at least 2. Received: way=1"),
        ({"labels": "letters"}, "`labels` must be one of .'one_hot', 'strings'."),
        ({"cell": "lstm", "scale": 5.0}, "`scale` goes with cell='memory'"),
        ({"scale": "8"}, "`scale` must be a positive, finite number. Received: scale='8'"),
        ({"standardize": "no"}, "`standardize` must be True or False. Received: standardize='no'"),
        ({"cell": "ntm"}, "`cell` must be 'memory', 'lstm', or a cell of keras.layers.RNN"),
        ({"cell": keras.layers.Dense(3)}, "or a cell of keras.layers.RNN"),
        ({"bn_mode": "batch"}, "`bn_mode` must be one of .'running'.. Received: bn_mode='batch'"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        kmeta.MemoryAugmentedNetwork(keras.layers.Flatten(), **options)


def test_tasks_that_do_not_fit():
    learner = made()
    with pytest.raises(ValueError, match="predicts 3 classes, but the support set has 4"):
        learner(Episode(Support(np.zeros((1, 4, FEATURES)), np.eye(4)[None]), np.zeros((1, 1, 4))))
    with pytest.raises(ValueError, match="takes labels of 3 numbers"):
        learner(sequence(random_labels(way=4)))
    with pytest.raises(ValueError, match="one vector of features for each image"):
        kmeta.MemoryAugmentedNetwork(keras.layers.Identity()).build((8, 8, 1))
