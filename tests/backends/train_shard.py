"""Trains on JAX, alone or as one of two processes by `keras.distribution`, with Keras' `fit`.

`train_shard.py FILE LEARNER [INDEX PORT]` saves the weights.
"""

import sys

import keras
import numpy as np

import kmeta

WAY, SIZE = 3, 16


def made(name):
    """A learner without ReLU, which near 0 goes either way by rounding."""
    network = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, strides=4, activation="softplus"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
        ]
    )
    if name == "prototypical":
        return kmeta.PrototypicalNetwork(network)
    network.add(keras.layers.Dense(WAY))
    return kmeta.MAML(network, inner_steps=2)


if __name__ == "__main__":
    file, name, *place = sys.argv[1:]
    if place:
        index, port = map(int, place)
        keras.distribution.initialize(f"127.0.0.1:{port}", 2, index)
        parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
        keras.distribution.set_distribution(parallel)
    keras.utils.set_random_seed(3)
    glyphs = kmeta.data.load("glyphs", "train", size=SIZE)
    episodes = kmeta.Episodes(glyphs, way=WAY, query=2, tasks_per_step=4, steps=3)
    if place:
        episodes = episodes.shard(2, index)
    learner = made(name)
    learner.compile(keras.optimizers.SGD(0.1))
    learner.fit(episodes, epochs=2, verbose=0)
    np.savez(file, *map(keras.ops.convert_to_numpy, learner.weights))
