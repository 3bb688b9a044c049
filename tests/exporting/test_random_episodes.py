"""ONNX says what Keras says, whatever a learner was adapted to: random way, shots and batch."""

import keras
import numpy as np
import onnxruntime
import pytest

import kmeta
from kmeta.exporting import endpoints, onnx_model

LEARNERS = {
    "prototypical": lambda: kmeta.PrototypicalNetwork(kmeta.layers.Conv4(16)),
    "siamese": lambda: kmeta.SiameseNetwork(kmeta.layers.Conv4(16)),
    "matching": lambda: kmeta.MatchingNetwork(kmeta.layers.Conv4(16), scale=10.0),
    "matching with full context": lambda: kmeta.MatchingNetwork(
        kmeta.layers.Conv4(16), full_context=True, scale=10.0
    ),
    "relation": lambda: kmeta.RelationNetwork(
        kmeta.layers.RelationEmbedding(16), kmeta.layers.RelationModule(16)
    ),
}


@pytest.fixture(scope="module")
def characters():
    return kmeta.data.load("glyphs", "val")


@pytest.fixture(params=LEARNERS)
def learner(request, characters):
    """Trained a little, so that statistics and answers are not those of a new network."""
    keras.utils.set_random_seed(0)
    made = LEARNERS[request.param]()
    made.compile(keras.optimizers.Adam(3e-3))
    made.fit(kmeta.Episodes(characters, way=5, shot=1, query=3, steps=30), verbose=0)
    return made


@pytest.mark.parametrize("count", [2, pytest.param(200, marks=pytest.mark.slow)])
def test_adapted_classifiers_agree(learner, characters, tmp_path, count):
    rng = np.random.default_rng(count)
    largest = 0.0
    for _ in range(count):
        way = int(rng.integers(2, 21))
        shots = rng.integers(1, 6, way)
        chosen = rng.choice(len(characters.class_names), way, replace=False)
        support = np.concatenate(
            [
                rng.choice(characters.indices_of(c), n, False)
                for c, n in zip(chosen, shots, strict=True)
            ]
        )
        classifier = learner.adapt(characters.images[support], np.arange(way).repeat(shots))
        endpoint = endpoints.table(classifier)["serving_default"]
        onnx_model.save(endpoint, str(tmp_path / "classifier.onnx"), {})
        session = onnxruntime.InferenceSession(tmp_path / "classifier.onnx")
        for batch in (1, int(rng.integers(2, 33))):
            images = characters.images[rng.integers(0, len(characters.images), batch)] / np.float32(
                255
            )
            (found,) = session.run(None, {"images": images})
            largest = max(largest, abs(found - np.asarray(classifier(images))).max())
    print(f"{count} episodes, largest difference {largest:.1e}")
    assert largest <= 1e-5
