import keras
import numpy as np
import oracles
import pytest
from keras import ops
from quick_cases import others_slow

import kmeta
from kmeta import Episode, Pairs, Support
from kmeta.data import VerificationPairs, from_arrays

rng = np.random.default_rng(8)
FIRST, SECOND = rng.normal(size=(2, 7, 6)).astype("float32")
SAME = np.array([1, 0, 0, 1, 1, 0, 1])
X = rng.normal(size=(2, 9, 6)).astype("float32")
QUERY = rng.normal(size=(2, 5, 6)).astype("float32")
KINDS = np.array([[0, 0, 1, 2, -1, 2, 1, 0, -1], [2, 1, 0, -1, 0, 1, 1, 2, 2]])
LABELS = np.eye(4, 3, dtype="float32")[KINDS]
EPISODE = Episode(Support(X, LABELS), QUERY)


def embedding(features=4, **options):
    layers = [keras.Input((6,)), keras.layers.Dense(features, activation="tanh", **options)]
    return keras.Sequential(layers)


def randomised(learner):
    learner.build((6,))
    for weight in learner.weights:
        weight.assign(rng.normal(size=weight.shape))
    return learner


def numpy_weights(layer):
    return [np.asarray(ops.convert_to_numpy(weight), "float64") for weight in layer.weights]


def embed(learner, x):
    kernel, bias = numpy_weights(learner.network)
    return np.tanh(x @ kernel + bias)


def pair_logits(learner, first, second):
    """Log-odds of every pair of two lists of images, one by one."""
    alpha, bias = numpy_weights(learner.head)
    a, b = embed(learner, first), embed(learner, second)
    if learner.distance == "cosine":
        return alpha[0, 0] * oracles.cosine(a, b) + bias[0]
    power = {"l1": 1, "l2": 2}[learner.distance]
    return (
        np.array(
            [
                [
                    sum(w * abs(p - q) ** power for w, p, q in zip(alpha[:, 0], x, y, strict=True))
                    for y in b
                ]
                for x in a
            ]
        )
        + bias[0]
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def binary_cross_entropy(logits, same):
    p = sigmoid(logits)
    return -(same * np.log(p) + (1 - same) * np.log(1 - p))


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
def test_pair_logits(distance):
    learner = randomised(kmeta.SiameseNetwork(embedding(), distance))
    expected = np.diag(pair_logits(learner, FIRST, SECOND))[:, None]
    np.testing.assert_allclose(learner(Pairs(FIRST, SECOND)), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(learner(Pairs(SECOND, FIRST)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize(("class_score", "rule"), [("max", np.max), ("mean", np.mean)])
def test_class_logits_of_unequal_shots_without_the_padding(distance, class_score, rule):
    learner = randomised(kmeta.SiameseNetwork(embedding(), distance, class_score))
    expected = [
        [[rule(row[kinds == c]) for c in range(3)] for row in pair_logits(learner, query, x)]
        for query, x, kinds in zip(QUERY, X, KINDS, strict=True)
    ]
    np.testing.assert_allclose(learner(EPISODE), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("class_score", ["max", "mean"])
def test_one_shot_takes_the_class_of_the_likeliest_pair(distance, class_score):
    learner = randomised(kmeta.SiameseNetwork(embedding(), distance, class_score))
    names = ["d", "a", "e", "b", "c"]
    classifier = learner.adapt(X[0, :5], names)
    probability = sigmoid(pair_logits(learner, QUERY[0], X[0, :5]))
    chosen = np.asarray(classifier(QUERY[0])).argmax(-1)
    named = [classifier.class_names[index] for index in chosen]
    assert named == [names[index] for index in probability.argmax(-1)]


def test_max_takes_the_class_of_the_likeliest_of_all_pairs():
    learner = randomised(kmeta.SiameseNetwork(embedding()))
    kinds = np.array([0, 0, 1, 2, 1, 2, 1, 0, 2])
    chosen = np.asarray(learner.adapt(X[0], kinds)(QUERY[0])).argmax(-1)
    np.testing.assert_array_equal(chosen, kinds[pair_logits(learner, QUERY[0], X[0]).argmax(-1)])


def head_of(distance, **options):
    learner = kmeta.SiameseNetwork(embedding(), distance, **options)
    learner.build((6,))
    return [np.asarray(weight).reshape(-1).tolist() for weight in learner.head.weights]


def test_before_training_what_is_alike_is_likely_of_one_class():
    assert head_of("l1") == head_of("l2") == [[-2.5] * 4, [5.0]]
    assert head_of("cosine") == [[10.0], [-5.0]]


def test_initializers_of_ones_own():
    alpha, bias = head_of(
        "l1",
        alpha_initializer=keras.initializers.RandomNormal(3.0, 0.01),
        bias_initializer="ones",
    )
    np.testing.assert_allclose(alpha, 3, atol=0.1)
    assert len(set(alpha)) == 4 and bias == [1.0]


def test_building_again_keeps_the_weights():
    learner = randomised(kmeta.SiameseNetwork(embedding()))
    before = [weight.numpy() for weight in learner.weights]
    learner.build((6,))
    for old, new in zip(before, learner.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_verification_loss_and_accuracy_in_numpy():
    learner = randomised(kmeta.SiameseNetwork(embedding()))
    learner.compile()
    logits = np.diag(pair_logits(learner, FIRST, SECOND))
    weights = rng.random(7)
    loss, accuracy = learner.evaluate(Pairs(FIRST, SECOND), SAME, verbose=0)
    np.testing.assert_allclose(loss, binary_cross_entropy(logits, SAME).mean(), rtol=1e-4)
    np.testing.assert_allclose(accuracy, np.mean((logits > 0) == SAME), rtol=1e-6)
    weighted = learner.evaluate(Pairs(FIRST, SECOND), SAME, sample_weight=weights, verbose=0)[0]
    expected = (weights * binary_cross_entropy(logits, SAME)).mean()
    np.testing.assert_allclose(weighted, expected, rtol=1e-4)


def test_loss_on_episodes_is_verification_with_equal_halves():
    learner = randomised(kmeta.SiameseNetwork(embedding()))
    learner.compile(metrics=["accuracy"])
    logits = ops.convert_to_numpy(learner(EPISODE))
    query_y = rng.integers(0, 3, (2, 5))
    same = np.eye(3)[query_y]
    costs = binary_cross_entropy(logits.astype("float64"), same)
    halves = np.stack([costs[same == 1].reshape(10), costs[same == 0].reshape(10, 2).mean(1)])
    loss, accuracy = learner.evaluate(EPISODE, query_y, verbose=0)
    np.testing.assert_allclose(loss, halves.mean(), rtol=1e-4)
    np.testing.assert_allclose(accuracy, np.mean(logits.argmax(-1) == query_y), rtol=1e-6)
    weights = rng.random((2, 5))
    weighted = learner.evaluate(EPISODE, query_y, sample_weight=weights, verbose=0)[0]
    expected = (weights.reshape(10) * halves.mean(0)).mean()
    np.testing.assert_allclose(weighted, expected, rtol=1e-4)


def test_a_loss_and_metrics_of_ones_own():
    learner = randomised(kmeta.SiameseNetwork(embedding()))
    smooth = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)
    learner.compile(loss=smooth, metrics=[keras.metrics.BinaryAccuracy("sure", threshold=1.0)])
    logits = np.diag(pair_logits(learner, FIRST, SECOND))
    result = learner.evaluate(Pairs(FIRST, SECOND), SAME, return_dict=True, verbose=0)
    expected = binary_cross_entropy(logits, SAME * 0.8 + 0.1).mean()
    np.testing.assert_allclose(result["loss"], expected, rtol=1e-4)
    assert result["sure"] == pytest.approx(np.mean((logits > 1) == SAME))
    with pytest.raises(ValueError, match="Learners return logits.*'binary_crossentropy'"):
        learner.compile(loss="binary_crossentropy")


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
def test_gradient_of_the_pair_logit(distance):
    network = embedding(dtype="float64")
    learner = randomised(kmeta.SiameseNetwork(network, distance, dtype="float64"))
    pair = Pairs(FIRST[:1].astype("float64"), SECOND[:1].astype("float64"))

    import tensorflow as tf

    with tf.GradientTape() as tape:
        logit = learner(pair)[0, 0]
    assert logit.dtype == "float64"
    gradients = tape.gradient(logit, [weight.value for weight in learner.trainable_weights])
    assert len(gradients) == 4

    def numeric(weight, index, step=1e-6):
        value, sides = weight.numpy(), []
        for sign in (1, -1):
            moved = value.copy()
            moved[index] += sign * step
            weight.assign(moved)
            sides.append(float(learner(pair)[0, 0]))
        weight.assign(value)
        return (sides[0] - sides[1]) / (2 * step)

    worst = wrong = 0.0
    for weight, gradient in zip(learner.trainable_weights, gradients, strict=True):
        for index in np.ndindex(*weight.shape):
            slope = numeric(weight, index)
            worst = max(worst, abs(slope - gradient.numpy()[index]))
            wrong = max(wrong, abs(slope - 1.01 * gradient.numpy()[index]))
    assert worst < 1e-7 < wrong  # and the check rejects a gradient that is 1 % off


def blobs():
    """Eight classes of noisy points in two groups."""
    centres = np.random.default_rng(1).normal(size=(8, 6)) * 2
    x = centres.repeat(20, axis=0) + 0.3 * np.random.default_rng(2).normal(size=(160, 6))
    names = [f"{'AB'[i // 4]}/{i}" for i in range(8)]
    return from_arrays(x.astype("float32"), np.arange(8).repeat(20), names)


@pytest.mark.parametrize("form", others_slow(["pairs", "tf.data", "arrays"], ["pairs"]))
def test_fit_on_pairs_teaches_classes(form, tmp_path):
    keras.utils.set_random_seed(2)
    learner = kmeta.SiameseNetwork(embedding())
    learner.compile(keras.optimizers.Adam(0.01))
    pairs = VerificationPairs(blobs(), batch_size=32, steps=20)
    if form == "arrays":
        batches = [pairs[i] for i in range(20)]
        x = Pairs(*(np.concatenate([batch[0][i] for batch in batches]) for i in range(2)))
        y = np.concatenate([batch[1] for batch in batches])
        history = learner.fit(x, y, batch_size=32, epochs=4, verbose=0)
    else:
        data = pairs if form == "pairs" else pairs.as_dataset()
        history = learner.fit(data, epochs=4, verbose=0)
        if form == "pairs":
            assert pairs.epoch == 4
    losses = history.history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    loss, accuracy = learner.evaluate(pairs, verbose=0)
    assert accuracy > 0.85
    episodes = kmeta.Episodes(blobs(), way=5, shot=1, query=3, steps=20)
    score = kmeta.evaluate(learner, episodes, verbose=0)
    assert score.accuracy > 0.8
    assert learner.evaluate(episodes, verbose=0)[1] == pytest.approx(score.accuracy)
    assert learner.predict(pairs, verbose=0).shape == (640, 1)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.evaluate(pairs, verbose=0) == pytest.approx([loss, accuracy], rel=1e-5)
    assert loaded.fit(pairs, verbose=0).history["loss"][0] < losses[0]


def test_bn_mode_decides_the_statistics_of_pairs():
    network = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    learner = kmeta.SiameseNetwork(network)
    alone = [learner(Pairs(FIRST[i : i + 1], SECOND[i : i + 1]))[0] for i in range(7)]
    np.testing.assert_allclose(learner(Pairs(FIRST, SECOND)), alone, atol=1e-5)
    learner.bn_mode = "batch"
    images = np.stack([FIRST, SECOND])
    mean, variance = images.mean((0, 1)), images.var((0, 1))
    a, b = (images - mean) / np.sqrt(variance + 1e-3)
    alpha, bias = numpy_weights(learner.head)
    expected = np.abs(a - b) @ alpha + bias
    np.testing.assert_allclose(learner(Pairs(FIRST, SECOND)), expected, rtol=1e-3, atol=1e-3)


def test_config_keeps_every_argument():
    learner = kmeta.SiameseNetwork(embedding(), "cosine", "mean", "batch", "ones", "zeros")
    clone = kmeta.SiameseNetwork.from_config(learner.get_config())
    assert (clone.distance, clone.class_score, clone.bn_mode) == ("cosine", "mean", "batch")
    assert isinstance(clone.alpha_initializer, keras.initializers.Ones)
    assert isinstance(clone.bias_initializer, keras.initializers.Zeros)
    default = kmeta.SiameseNetwork.from_config(kmeta.SiameseNetwork(embedding()).get_config())
    assert default.alpha_initializer is default.bias_initializer is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "l3"}, "`distance` must be one of .'l1', 'l2', 'cosine'.. Received: dist"),
        ({"class_score": "sum"}, "`class_score` must be one of .'max', 'mean'.. Received: class_"),
        ({"bn_mode": "support"}, "`bn_mode` must be one of .'running', 'batch'.. Received"),
        ({"embedding": np.tanh}, "must be a Keras layer or model. Received"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        kmeta.SiameseNetwork(**{"embedding": embedding(), **options})


def test_embedding_of_maps_is_refused():
    learner = kmeta.SiameseNetwork(keras.layers.Conv2D(3, 3))
    with pytest.raises(ValueError, match=r"one vector of features.*shape \(None, 6, 6, 3\)"):
        learner.build((8, 8, 1))


def test_fit_without_shapes_is_refused():
    learner = kmeta.SiameseNetwork(embedding())
    learner.compile()
    with pytest.raises(ValueError, match="call `build"):
        learner.fit(iter([(Pairs(FIRST, SECOND), SAME)]))
