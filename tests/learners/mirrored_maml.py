"""Prints weights and losses of two epochs of MAML by one device and by two, for test_maml.py."""

import contextlib
import json

import keras
import numpy as np
import tensorflow as tf

import kmeta

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.random.default_rng(0).random((30, 4, 4, 1), dtype="float32")
dataset = kmeta.data.from_arrays(images, np.arange(30) % 6)


def epochs(devices):
    episodes = kmeta.Episodes(dataset, way=3, query=2, tasks_per_step=4, steps=2)
    alone = len(devices) == 1
    with contextlib.nullcontext() if alone else tf.distribute.MirroredStrategy(devices).scope():
        keras.utils.set_random_seed(1)
        network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
        learner = kmeta.MAML(network)
        learner.compile(keras.optimizers.SGD(1.0))
    history = learner.fit(episodes, epochs=2, verbose=0).history
    return [episodes.epoch, *learner.get_weights()[0].ravel().tolist(), *history["loss"]]


for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    print(json.dumps(epochs(devices)))
