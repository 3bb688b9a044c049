"""The contract of every public learner."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops
from specimens import SIZE, SPECIMENS, WAY

import kmeta
from kmeta import Episode, Support

NEW = 200  # tasks that a trained learner is asked
RATE = 0.01


def public_learners():
    found = [getattr(kmeta, name) for name in kmeta.__all__]
    return {
        thing.__name__
        for thing in found
        if inspect.isclass(thing)
        and issubclass(thing, kmeta.MetaLearner)
        and thing is not kmeta.MetaLearner
    }


def test_every_public_learner_is_here():
    assert public_learners() == {type(entry.make()).__name__ for entry in SPECIMENS.values()}


def compiled(specimen, epsilon=1e-7, **options):
    keras.utils.set_random_seed(3)
    learner = specimen.make()
    learner.build((SIZE, SIZE, 1))
    optimizer = keras.optimizers.Adam(RATE, epsilon=epsilon, global_clipnorm=specimen.clip_norm)
    learner.compile(optimizer, **options)
    learner.optimizer.build(learner.trainable_variables)
    return learner


def disturb(learner):
    """Biases and shifts of zero hide mistakes."""
    rng = np.random.default_rng(4)
    for weight in learner.trainable_weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return learner


class Shared:
    """A compiled learner for all tests of a specimen: tracing its training is what takes time."""

    def __init__(self, specimen):
        self.made = compiled(specimen)
        variables = self.made.variables + self.made.optimizer.variables
        self.start = [(v, ops.convert_to_numpy(v)) for v in variables]

    def fresh(self):
        """As it was made: weights, seeds and what the optimizer knows."""
        keras.utils.set_random_seed(3)
        for variable, value in self.start:
            variable.assign(value)
        return self.made

    def disturbed(self):
        return disturb(self.fresh())


@pytest.fixture(scope="module", params=sorted(SPECIMENS))
def specimen(request):
    return SPECIMENS[request.param]


@pytest.fixture(scope="module")
def shared(specimen):
    yield Shared(specimen)
    if keras.backend.backend() == "jax":  # a process holds 65,530 maps, some for every program
        import jax

        jax.clear_caches()


@pytest.fixture(scope="module")
def any_size(specimen, shared):
    """Batches of other sizes let TensorFlow trace for any, once. (JAX compiles for each.)"""
    if keras.backend.backend() == "tensorflow":
        data = ManySizes(specimen)
        shared.made.fit(data, verbose=0)
        shared.made.evaluate(data, verbose=0)
        shared.made.predict(data, verbose=0)


@pytest.fixture
def learner(shared):
    return shared.disturbed()


def tasks(count=2, shot=2, query=3, seed=0, noise=0.3):
    """Episodes of blurred patterns, one a class, with noise."""
    rng = np.random.default_rng(seed)
    patterns = np.kron(rng.random((count, WAY, 4, 4)), np.ones((4, 4)))

    def draw(per_class):
        x = patterns.repeat(per_class, axis=1)
        x = (x + noise * rng.normal(size=x.shape)).clip(0, 1)
        return x.astype("float32")[..., None]

    y = np.tile(np.eye(WAY, dtype="float32").repeat(shot, axis=0), (count, 1, 1))
    query_y = np.tile(np.arange(WAY).repeat(query), (count, 1)).astype("int32")
    return Episode(Support(draw(shot), y), draw(query)), query_y


def smaller(way, episode, query_y):
    """The first classes of tasks that have WAY of them."""
    share = [size * way // WAY for size in (episode.support.x.shape[1], query_y.shape[1])]
    support = Support(episode.support.x[:, : share[0]], episode.support.y[:, : share[0], :way])
    return Episode(support, episode.query_x[:, : share[1]]), query_y[:, : share[1]]


class ManySizes(keras.utils.PyDataset):
    """Batches of tasks whose sizes differ, and their numbers of classes where a learner allows."""

    def __init__(self, specimen):
        super().__init__()
        sizes = [(1, 2), (3, 4), (2, 1)]
        self.batches = [tasks(1 + i, shot, query) for i, (shot, query) in enumerate(sizes)]
        if specimen.renumber is None:
            self.batches.insert(1, smaller(2, *tasks(shot=4, query=4)))

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def in_any_order(episode, query_y, seed):
    """Support sets in random order, which tells learners that read sequences nothing."""
    order = np.random.default_rng(seed).random(episode.support.x.shape[:2]).argsort(axis=1)
    support = Support(*(x[np.arange(len(x))[:, None], order] for x in episode.support))
    return Episode(support, episode.query_x), query_y


def logits(learner, episode):
    return ops.convert_to_numpy(learner(episode))


def weights(model):
    return [ops.convert_to_numpy(weight) for weight in model.variables]


def assert_all_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow  # what does not learn these by heart fails the next test too
@pytest.mark.usefixtures("any_size")
def test_fit_lowers_the_loss(specimen, learner):
    data = tasks(count=4, noise=specimen.noise)

    def losses(steps):
        """The mean of steps on the same tasks; an epoch a step would take longer than the step."""
        parts = keras.tree.map_structure(lambda x: np.concatenate([x] * steps), data)
        return learner.fit(*parts, batch_size=4, shuffle=False, verbose=0).history["loss"][0]

    before, _, after = (losses(steps) for steps in (1, 30, 3))
    assert after < 0.8 * before


@pytest.mark.usefixtures("any_size")
def test_fit_teaches_new_tasks_and_shuffled_labels_leave_chance(specimen, shared):
    """From fresh weights. A learner that answers one class whatever it is shown fails."""
    learner = shared.fresh()
    learner.optimizer.learning_rate = specimen.rate
    episodes, query_y = in_any_order(*tasks(specimen.tasks, noise=0.1, seed=100), 100)
    new, expected = tasks(count=NEW, noise=0.1)
    support_x, support_y = new.support
    shuffled = np.random.default_rng(2).permuted(np.tile(np.arange(2 * WAY), (NEW, 1)), axis=1)
    shuffled = Support(support_x, np.take_along_axis(support_y, shuffled[..., None], axis=1))

    def answers(episode):
        return learner.predict(episode, batch_size=NEW // 4, verbose=0).argmax(-1)

    learner.fit(episodes, query_y, batch_size=specimen.batch, epochs=specimen.epochs, verbose=0)
    by_true, by_shuffled = answers(new), answers(new._replace(support=shuffled))
    assert np.bincount(by_true.ravel(), minlength=WAY).min() > by_true.size / (2 * WAY), (
        "the learner prefers classes, or knows one only"
    )
    assert np.mean(by_true == expected) > specimen.accuracy
    deviation = np.std(np.mean(by_shuffled == expected, axis=1))
    assert abs(np.mean(by_shuffled == expected) - 1 / WAY) < 5 * deviation / np.sqrt(NEW)
    assert deviation / np.sqrt(NEW) < 0.03  # the interval above is no wide one


def test_learner_round_trip_keeps_answers_and_optimizer(specimen, tmp_path):
    # Adam else makes steps of rounding noise; eager training equals that of graphs, see below
    learner = disturb(compiled(specimen, epsilon=0.01, run_eagerly=True))
    episode, query_y = tasks()
    learner.fit(episode, query_y, batch_size=2, epochs=1, shuffle=False, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(logits(loaded, episode), logits(learner, episode), atol=1e-6)
    assert loaded.bn_mode == learner.bn_mode
    assert_all_equal(weights(loaded.optimizer), weights(learner.optimizer))
    for model in (learner, loaded):
        model.fit(episode, query_y, batch_size=2, epochs=1, shuffle=False, verbose=0)
    for a, b in zip(loaded.weights, learner.weights, strict=True):  # Keras saves no seeds
        np.testing.assert_allclose(
            ops.convert_to_numpy(a), ops.convert_to_numpy(b), rtol=1e-6, atol=1e-6
        )


def test_classes_may_be_renumbered(learner, specimen):
    episode, _ = tasks()
    before = logits(learner, episode)
    order = [2, 0, 1]
    support = Support(episode.support.x, episode.support.y[..., order])
    if specimen.renumber is not None:
        specimen.renumber(learner, order)
    after = logits(learner, Episode(support, episode.query_x))
    np.testing.assert_allclose(after, before[..., order], rtol=1e-5, atol=1e-4)


def test_order_of_the_support_set_does_not_matter(learner, specimen):
    if specimen.sequence:
        pytest.skip("the paper's model reads the support set as a sequence")
    episode, _ = tasks()
    order = np.random.default_rng(1).permutation(2 * WAY)
    support = Support(episode.support.x[:, order], episode.support.y[:, order])
    after = logits(learner, Episode(support, episode.query_x))
    np.testing.assert_allclose(after, logits(learner, episode), rtol=1e-5, atol=1e-4)


def test_tasks_do_not_meet(learner):
    episode, _ = tasks()
    alone = keras.tree.map_structure(lambda x: x[1:], episode)
    np.testing.assert_allclose(
        logits(learner, alone), logits(learner, episode)[1:], rtol=1e-5, atol=1e-4
    )


def test_queries_do_not_meet(learner):
    episode, _ = tasks()
    alone = logits(learner, episode._replace(query_x=episode.query_x[:, 4:5]))
    np.testing.assert_allclose(alone, logits(learner, episode)[:, 4:5], rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("any_size")
def test_graph_equals_eager(learner):
    episode, _ = tasks()
    np.testing.assert_allclose(
        learner.predict(episode, verbose=0), logits(learner, episode), rtol=1e-5, atol=1e-4
    )


@pytest.mark.usefixtures("any_size")
def test_sizes_may_change_from_step_to_step(specimen, shared):
    """Keras then compiles for sizes it does not know; what it learns is as without compiling."""
    data, learner = ManySizes(specimen), shared.disturbed()
    for episode, _ in data.batches:
        np.testing.assert_allclose(
            learner.predict_on_batch(episode), logits(learner, episode), rtol=1e-5, atol=1e-4
        )
    eager = disturb(compiled(specimen, run_eagerly=True))
    graph, expected = (
        model.fit(data, shuffle=False, verbose=0).history["loss"] for model in (learner, eager)
    )
    np.testing.assert_allclose(graph, expected, rtol=1e-3)  # each step's follows from those before


@pytest.mark.usefixtures("any_size")
def test_evaluate_repeats_and_fit_goes_on(learner):
    rng = np.random.default_rng(6)
    data = kmeta.data.from_arrays(
        rng.integers(0, 256, (40, SIZE, SIZE, 1)).astype("uint8"), np.arange(40) % 5
    )
    episodes = kmeta.Episodes(data, way=WAY, shot=2, query=3, steps=2, seed=1)
    draw = episodes.draw_tasks
    first = learner.evaluate(episodes, verbose=0)
    seen = []
    episodes.draw_tasks = lambda first: seen.append(first) or draw(first)
    learner.fit(episodes, epochs=3, verbose=0)
    assert seen[-6:] == [0, 1, 2, 3, 4, 5]  # new episodes in every epoch, in order
    validation = kmeta.Episodes(data, way=WAY, shot=2, query=3, steps=2, seed=2)
    history = learner.fit(
        episodes, epochs=5, initial_epoch=3, validation_data=validation, verbose=0
    ).history
    last = learner.evaluate(validation, return_dict=True, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(last["loss"])  # the same ones every time
    assert validation.epoch == 0
    episodes.epoch = 3
    assert episodes.epoch == 3
    assert learner.evaluate(episodes, verbose=0) != first  # it learned
    assert seen[-2:] == [0, 1]  # evaluated on the first episodes
    assert episodes.epoch == 3
    score = kmeta.evaluate(learner, episodes, verbose=0)
    assert score.accuracy == pytest.approx(learner.evaluate(episodes, verbose=0)[1])
    assert score == kmeta.evaluate(learner, episodes, verbose=0)


def adapted(learner, seed=0, labels=None, shot=2):
    episode, query_y = tasks(count=1, shot=shot, seed=seed)
    labels = episode.support.y[0].argmax(-1) if labels is None else labels
    return learner.adapt(episode.support.x[0], labels), episode.query_x[0], query_y[0]


def test_adapt_changes_nothing_and_repeats(learner):
    before = weights(learner)
    classifier, images, _ = adapted(learner)
    first = ops.convert_to_numpy(classifier(images))
    assert_all_equal(before, weights(learner))
    np.testing.assert_array_equal(adapted(learner)[0](images), first)
    np.testing.assert_allclose(first.sum(-1), 1, atol=1e-5)
    assert classifier.class_names == ["0", "1", "2"]


def test_classifier_predicts_what_the_learner_does(learner):
    episode, _ = tasks(count=1)
    classifier, images, _ = adapted(learner)
    expected = ops.softmax(learner(episode))[0]
    np.testing.assert_allclose(classifier(images), expected, atol=1e-5)
    np.testing.assert_allclose(classifier.predict(images, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_a_learner_in_float64_adapts_to_images_in_float32(specimen, floatx):
    policy = keras.config.dtype_policy()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy("float64")
    try:
        learner = specimen.make()
        episode, _ = tasks(count=1)
        classifier, images, _ = adapted(learner)
        expected = ops.softmax(learner(episode))[0]
        assert ops.dtype(classifier(images)) == "float32"
        np.testing.assert_allclose(classifier(images), expected, atol=1e-6)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(policy)


@pytest.mark.usefixtures("any_size")
def test_classifier_stays_when_the_learner_trains_on(learner):
    classifier, images, _ = adapted(learner)
    before = ops.convert_to_numpy(classifier(images))
    learner.optimizer.learning_rate = 0.1
    learner.fit(*tasks(), batch_size=2, verbose=0)
    np.testing.assert_array_equal(classifier(images), before)


def test_classifier_round_trip(learner, tmp_path):
    classifier, images, _ = adapted(learner)
    classifier.save(tmp_path / "classifier.keras")
    loaded = keras.models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(loaded(images), classifier(images), atol=1e-6)
    assert loaded.class_names == classifier.class_names
    assert loaded.bn_mode == classifier.bn_mode


def test_classifier_takes_bytes(learner):
    classifier, _, _ = adapted(learner)
    images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 1)).astype("uint8")
    expected = classifier((images / np.float32(255)).astype("float32"))
    np.testing.assert_allclose(classifier(images), expected, atol=1e-6)
    np.testing.assert_allclose(classifier.predict(images, verbose=0), expected, atol=1e-6)


def test_unequal_shots_equal_padding(learner):
    """`adapt` on 2, 1, 2 items of the classes is the padded episode without its padded row."""
    episode, _ = tasks(count=1)
    x, y = (np.delete(part, 3, axis=1) for part in episode.support)
    assert list(y[0].sum(0)) == [2, 1, 2]
    classifier = learner.adapt(x[0], y[0].argmax(-1))
    expected = ops.softmax(learner(Episode(Support(x, y), episode.query_x)))[0]
    np.testing.assert_allclose(classifier(episode.query_x[0]), expected, atol=1e-5)


@pytest.fixture(scope="module")
def exported(shared, tmp_path_factory):
    """A classifier, its images, a support set with what the learner then says of the images, and
    a folder: of the classifier's file, and of its bundle after the learner lost its weights."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("export needs TensorFlow as Keras' backend")
    learner, folder = shared.disturbed(), tmp_path_factory.mktemp("exported")
    classifier, images, _ = adapted(learner)
    episode, _ = tasks(count=1, shot=3, seed=7)
    other = (episode.support.x[0], np.arange(WAY).repeat(3))
    expected = learner.adapt(*other)(images)
    classifier.save(folder / "classifier.keras")
    for weight in learner.weights:
        weight.assign(weight * 0)
    report = kmeta.export(classifier, folder / "bundle", sample=images)
    return classifier, images, (other, expected), folder, report


def test_export_equals_the_classifier(exported):
    classifier, images, _, folder, report = exported
    assert report.saved_model_difference <= 1e-5
    assert report.onnx_difference <= 1e-5
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "bundle" / "classifier.onnx")
    for batch in (images[:1], images):
        (probabilities,) = session.run(["probabilities"], {"images": batch})
        np.testing.assert_allclose(probabilities, classifier(batch), atol=1e-5)


def test_exported_episode_adapts_anew(exported):
    """From the weights of the learner as they were when the classifier was made."""
    import tensorflow as tf

    from kmeta.exporting import endpoints, saved_model

    _, queries, ((images, labels), expected), folder, _ = exported
    model = tf.saved_model.load(str(folder / "bundle" / "saved_model" / "1"))
    episode = model.signatures["episode"]
    given = {"support_images": images, "support_labels": labels, "queries": queries}
    given = {name: tf.constant(x) for name, x in given.items()}
    np.testing.assert_allclose(episode(**given)["probabilities"], expected, atol=1e-5)
    loaded = keras.models.load_model(folder / "classifier.keras")
    traced = saved_model.trace({"episode": endpoints.table(loaded)["episode"]})["episode"]
    np.testing.assert_allclose(traced(*given.values())["probabilities"], expected, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`support_labels` must hold"):
        episode(**{**given, "support_labels": tf.constant(labels[::-1].clip(1))})
