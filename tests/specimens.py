"""The table of learners in tests: a small specimen of every public one, for the common contract,
and metric ones of any width, for pictures of 28 x 28, which devices teach further classes.
"""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

import kmeta

WAY, SIZE = 3, 16


@dataclasses.dataclass(frozen=True)
class Specimen:
    """How to make a learner, and what the contract asks of it.

    make: returns a new, unbuilt learner for WAY classes of SIZE x SIZE x 1 images.
    renumber: exchanges the classes in the weights of a learner whose outputs, or inputs, belong to
        classes by position; such a learner has one way.
    sequence: True if the paper's model reads the support set in order.
    clip_norm: of gradients, as in its recipe; None for no bound.
    tasks, batch, epochs, rate: a training (by Adam) that teaches it to learn.
    accuracy: what it then passes on new tasks, far enough for another processor's rounding.
    noise: of a few tasks on which its loss falls, again and again.
    slow: beginnings of names of tests that are left to the slow ones.
    """

    make: Callable
    renumber: Callable | None = None
    sequence: bool = False
    clip_norm: float | None = None
    tasks: int = 400
    batch: int = 8
    epochs: int = 1
    rate: float = 0.01
    accuracy: float = 0.7
    noise: float = 0.3
    slow: tuple = ()


def _embedding(strides=4):
    """Small: tracing is what costs time, that of gradients of gradients above all."""
    return keras.Sequential(
        [
            keras.layers.Conv2D(6, 3, strides=strides, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
        ]
    )


def _network():
    network = _embedding(strides=3)
    network.add(keras.layers.Dense(WAY))
    return network


def renumber_outputs(learner, order):
    for weight in learner.network.layers[-1].weights:
        weight.assign(ops.take(weight, order, axis=-1))


def renumber_labels(learner, order):
    """Outputs, and the rows of the controller's kernel that take labels in."""
    for weight in learner.head.weights:
        weight.assign(ops.take(weight, order, axis=-1))
    kernel = learner.rnn.cell.weights[0]
    rows = np.arange(kernel.shape[0])
    first = learner.feature_shape[0]
    rows[first : first + WAY] = first + np.array(order)
    kernel.assign(ops.take(kernel, rows, axis=0))


def renumber_heads(learner, order):
    """Of the base learner and of the embedding."""
    for network in (learner.network, learner.embedding):
        network.head.assign(ops.take(network.head, order, axis=-1))


def _memory(cell):
    embedding = keras.Sequential(
        [
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Rescaling(2.0, -1.0),
        ]
    )
    return kmeta.MemoryAugmentedNetwork(embedding, WAY, cell)


METRIC = {  # each is made with a number of filters
    "prototypical": lambda filters: kmeta.PrototypicalNetwork(kmeta.layers.Conv4(filters)),
    "siamese": lambda filters: kmeta.SiameseNetwork(kmeta.layers.Conv4(filters)),
    "matching": lambda filters: kmeta.MatchingNetwork(kmeta.layers.Conv4(filters), scale=10.0),
    "full context": lambda filters: kmeta.MatchingNetwork(
        kmeta.layers.Conv4(filters), kmeta.layers.Conv4(filters), full_context=True, scale=10.0
    ),
    "relation": lambda filters: kmeta.RelationNetwork(
        kmeta.layers.RelationEmbedding(filters), kmeta.layers.RelationModule(filters)
    ),
}
# Left to the slow tests where another learner here, or a test of the learner's own, does the like.
EXPORTS = ("test_export",)
GRAPHS = (
    *("test_fit", "test_learner_round_trip", "test_graph", "test_sizes"),
    *("test_evaluate", "test_classifier_stays"),
)
SPECIMENS = {
    "PrototypicalNetwork": Specimen(lambda: kmeta.PrototypicalNetwork(_embedding()), slow=EXPORTS),
    "MatchingNetwork": Specimen(
        lambda: kmeta.MatchingNetwork(_embedding(), scale=10.0), slow=EXPORTS
    ),
    "MatchingNetwork with full context": Specimen(
        lambda: kmeta.MatchingNetwork(
            _embedding(), _embedding(), full_context=True, read_steps=2, scale=10.0
        ),
        sequence=True,
        slow=GRAPHS,
    ),
    "R2D2": Specimen(lambda: kmeta.R2D2(_embedding()), slow=EXPORTS + GRAPHS),
    "RelationNetwork": Specimen(
        lambda: kmeta.RelationNetwork(
            keras.layers.Conv2D(3, 3, strides=4, activation="relu"), kmeta.layers.RelationModule(4)
        ),
        slow=EXPORTS,
    ),
    "SiameseNetwork": Specimen(lambda: kmeta.SiameseNetwork(_embedding()), slow=EXPORTS),
    "MemoryAugmentedNetwork": Specimen(
        lambda: _memory(kmeta.layers.MemoryCell(units=24, slots=8, width=8, heads=2, scale=20.0)),
        renumber=renumber_labels,
        sequence=True,
        tasks=9600,
        batch=64,
        epochs=2,
        rate=0.02,
        accuracy=0.7,
        slow=GRAPHS,
    ),
    "MemoryAugmentedNetwork without memory": Specimen(
        lambda: _memory(keras.layers.LSTMCell(24)),
        renumber=renumber_labels,
        sequence=True,
        tasks=9600,
        batch=64,
        epochs=2,
        rate=0.02,
        accuracy=0.7,
        slow=("test_",),  # the class above, with another cell
    ),
    "MAML": Specimen(
        lambda: kmeta.MAML(_network(), inner_steps=2),
        renumber=renumber_outputs,
        slow=EXPORTS,
    ),
    "Reptile": Specimen(
        lambda: kmeta.Reptile(
            _network(), 3, 0.05, inner_batch=None, test_inner_steps=5, test_inner_batch=None
        ),
        renumber=renumber_outputs,
        noise=0.1,  # it learns these support sets by heart, and errs on queries that differ
        slow=EXPORTS + GRAPHS,
    ),
    "LSTMMetaLearner": Specimen(
        lambda: kmeta.LSTMMetaLearner(_network(), inner_steps=3, units=5),
        renumber=renumber_outputs,
        slow=(*EXPORTS, "test_evaluate", "test_learner_round_trip"),
    ),
    "MetaNetwork": Specimen(
        lambda: kmeta.MetaNetwork(
            kmeta.layers.AugmentedConvNet(WAY, filters=4, blocks=1, features=8), units=10
        ),
        renumber=renumber_heads,
        sequence=True,
        clip_norm=0.2,
        tasks=1200,
        rate=5e-3,
        slow=EXPORTS + GRAPHS,
    ),
}
