"""Prints weights and loss of one step of MAML on one device and on two, for test_maml.py."""

import json

import keras
import numpy as np
import tensorflow as tf

import kmeta
from kmeta import Episode, Support

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
y = np.tile(np.eye(3, dtype="float32"), (4, 1, 1))
x, query_x = rng.normal(size=(2, 4, 3, 5)).astype("float32")
query_y = np.tile(np.arange(3), (4, 1)).astype("int32")
data = tf.data.Dataset.from_tensor_slices((Episode(Support(x, y), query_x), query_y)).batch(4)


def step(devices):
    with tf.distribute.MirroredStrategy(devices).scope():
        keras.utils.set_random_seed(1)
        learner = kmeta.MAML(keras.Sequential([keras.layers.Dense(3)]))
        learner.compile(keras.optimizers.SGD(1.0))
        if len(devices) == 1:  # on more devices `fit`, outside the scope, builds it
            learner.build((5,))
    history = learner.fit(data, epochs=1, verbose=0).history
    return [*learner.get_weights()[0].ravel().tolist(), *history["loss"]]


for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    print(json.dumps(step(devices)))
