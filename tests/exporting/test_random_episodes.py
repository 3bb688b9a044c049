"""Bundles say what Keras says, whatever they are adapted to: random way, shots and queries."""

import collections

import bundled
import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from quick_cases import others_slow
from specimens import METRIC

import kmeta
from kmeta.exporting import endpoints, onnx_model, saved_model

STATELESS = ("embed", "adapt", "classify", "episode")


def full(episodes):
    """Filters and episodes: as many as there are ways, each of which comes once."""
    return pytest.param((16, episodes), marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def characters():
    return kmeta.data.load("glyphs", "val")


@pytest.fixture(scope="module", params=others_slow(METRIC, ["prototypical"]))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def learners(name, characters):
    """Make the learner with some filters, once. Trained a little: answers are not those of new."""
    made = {}

    def make(filters):
        if filters not in made:
            keras.utils.set_random_seed(0)
            made[filters] = learner = METRIC[name](filters)
            learner.compile(keras.optimizers.Adam(3e-3))
            learner.fit(kmeta.Episodes(characters, way=5, shot=1, query=3, steps=30), verbose=0)
        return made[filters]

    return make


def draw(characters, rng, way, shots, queries=8):
    """Support images, their labels from 0 on, and queries, of random characters."""
    counts = rng.integers(shots[0], shots[1] + 1, way)
    chosen = rng.choice(len(characters.class_names), way, replace=False)
    rows = [
        rng.choice(characters.indices_of(c), n, False) for c, n in zip(chosen, counts, strict=True)
    ]
    queries = characters.images[rng.integers(0, len(characters.images), queries)]
    support = characters.images[np.concatenate(rows)] / np.float32(255)
    return support, np.arange(way).repeat(counts), queries / np.float32(255)


def runners(classifier, folder):
    """`{format: {signature: function of arrays by name}}` of an exported classifier."""
    table = {name: x for name, x in endpoints.table(classifier).items() if name in STATELESS}
    saved_model.save(saved_model.trace(table), str(folder / "model"), classifier.class_names)
    model = tf.saved_model.load(str(folder / "model"))
    found = {"SavedModel": {}, "ONNX": {}}
    for name, endpoint in endpoints.graphs(classifier).items():
        onnx_model.save(endpoint, str(folder / f"{name}.onnx"), {})
    models = bundled.models(folder)
    for name in STATELESS:

        def run_onnx(name=name, **given):
            return models.run(name, given)

        def run_saved_model(signature=model.signatures[name], model=model, **given):
            outputs = signature(**{n: tf.constant(x) for n, x in given.items()})
            return {n: x.numpy() for n, x in outputs.items()}

        found["SavedModel"][name], found["ONNX"][name] = run_saved_model, run_onnx
    return found


@pytest.mark.parametrize("size", [(8, 3), full(49)])
def test_signatures_agree_on_random_episodes(learners, name, characters, tmp_path, size):
    """Way 2 to 50, shot 1 to 20; one export for all of them."""
    filters, count = size
    learner = learners(filters)
    rng = np.random.default_rng(filters)
    support, labels, _ = draw(characters, rng, 3, (1, 2))
    exported = runners(learner.adapt(support, labels), tmp_path)
    largest = collections.defaultdict(float)

    def compare(kind, signature, found, expected):
        assert found.shape == expected.shape
        error = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
        largest[kind, signature] = max(largest[kind, signature], error)

    for way in np.linspace(50, 2, count, dtype=int):
        support, labels, queries = draw(characters, rng, way, (1, 20))
        classifier = learner.adapt(support, labels)
        expected = np.asarray(classifier(queries))
        embeddings = np.asarray(learner.network(queries, training=False))
        for kind, run in exported.items():
            compare(kind, "embed", run["embed"](images=queries)["embeddings"], embeddings)
            task = {"support_images": support, "support_labels": labels}
            state = run["adapt"](**task)
            if "labels" in state:
                np.testing.assert_array_equal(state["labels"], labels)
                names = {"embedded": "plain" if "plain" in classifier.state else "embedded"}
            else:
                names = {key: key for key in state}
            for key, own in names.items():
                compare(kind, "adapt", state[key], np.asarray(classifier.state[own])[0])
            for signature, outputs in (
                ("classify", run["classify"](queries=queries, **state)),
                ("episode", run["episode"](queries=queries, **task)),
            ):
                compare(kind, signature, outputs["probabilities"], expected)
                compare(kind, signature, outputs["score"], expected.max(-1))
                second, first = np.sort(expected, axis=-1)[:, -2:].T
                clear = first - second > 1e-4
                np.testing.assert_array_equal(outputs["index"][clear], expected.argmax(-1)[clear])
    for (kind, signature), error in sorted(largest.items()):
        print(f"{name} | {signature} | {kind} | {count} episodes | {error:.1e}")
    assert set(largest) == {(kind, name) for kind in exported for name in STATELESS}
    assert max(largest.values()) <= 1e-5


@pytest.mark.parametrize("size", [(8, 1), full(19)])
def test_adapted_classifiers_agree(learners, name, characters, tmp_path, size):
    filters, count = size
    learner = learners(filters)
    rng = np.random.default_rng(count)
    largest = 0.0
    for way in np.linspace(20, 2, count, dtype=int):
        support, labels, _ = draw(characters, rng, way, (1, 5))
        classifier = learner.adapt(support, labels)
        endpoint = endpoints.graphs(classifier)["classifier"]
        onnx_model.save(endpoint, str(tmp_path / "classifier.onnx"), {})
        session = onnxruntime.InferenceSession(tmp_path / "classifier.onnx")
        for batch in (1, int(rng.integers(2, 33))):
            *_, images = draw(characters, rng, 2, (1, 1), batch)
            outputs = dict(
                zip(
                    ("probabilities", "label", "score"),
                    session.run(["probabilities", "label", "score"], {"images": images}),
                    strict=True,
                )
            )
            expected = np.asarray(classifier(images))
            for found, right in (
                (outputs["probabilities"], expected),
                (outputs["score"], expected.max(-1)),
            ):
                largest = max(largest, np.abs(found - right).max())
            names = np.array(classifier.class_names)
            assert (outputs["label"] == names[outputs["probabilities"].argmax(-1)]).all()
    print(f"{name} | serving_default | ONNX | {count} episodes | {largest:.1e}")
    assert largest <= 1e-5
