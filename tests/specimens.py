"""One small specimen of every public learner, for the tests of the common contract."""

import dataclasses
from collections.abc import Callable

import keras

import kmeta

WAY, SIZE = 3, 16


@dataclasses.dataclass(frozen=True)
class Specimen:
    """How to make a learner, and what the contract asks of it.

    make: returns a new, unbuilt learner for WAY classes of SIZE x SIZE x 1 images.
    head: returns the layer whose outputs belong to classes by position, if the learner has one:
        its columns are exchanged with the labels when labels are.
    sequence: True if the paper's model reads the support set in order.
    """

    make: Callable
    head: Callable | None = None
    sequence: bool = False


def _network():
    """Small: tracing gradients of gradients is what costs time."""
    return keras.Sequential(
        [
            keras.layers.Conv2D(6, 3, strides=3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(WAY),
        ]
    )


SPECIMENS = {
    "PrototypicalNetwork": Specimen(lambda: kmeta.PrototypicalNetwork(kmeta.layers.Conv4(4))),
    "MatchingNetwork": Specimen(lambda: kmeta.MatchingNetwork(kmeta.layers.Conv4(4), scale=10.0)),
    "MatchingNetwork with full context": Specimen(
        lambda: kmeta.MatchingNetwork(
            kmeta.layers.Conv4(8), kmeta.layers.Conv4(8), full_context=True, scale=10.0
        ),
        sequence=True,
    ),
    "RelationNetwork": Specimen(
        lambda: kmeta.RelationNetwork(
            keras.layers.Conv2D(3, 3, strides=4, activation="relu"), kmeta.layers.RelationModule(4)
        )
    ),
    "SiameseNetwork": Specimen(lambda: kmeta.SiameseNetwork(kmeta.layers.Conv4(4))),
    "MAML": Specimen(
        lambda: kmeta.MAML(_network(), inner_steps=2),
        head=lambda learner: learner.network.layers[-1],
    ),
    "Reptile": Specimen(
        lambda: kmeta.Reptile(
            _network(), 3, 0.05, inner_batch=None, test_inner_steps=5, test_inner_batch=None
        ),
        head=lambda learner: learner.network.layers[-1],
    ),
    "LSTMMetaLearner": Specimen(
        lambda: kmeta.LSTMMetaLearner(_network(), inner_steps=3, units=5),
        head=lambda learner: learner.network.layers[-1],
    ),
}
