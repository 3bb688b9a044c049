"""Prints weights and loss of one step of MAML on `argv[1]` logical devices, for test_maml.py."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

import kmeta
from kmeta import Episode, Support

count = int(sys.argv[1])
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
rng = np.random.default_rng(0)
y = np.tile(np.eye(3, dtype="float32"), (4, 1, 1))
x, query_x = rng.normal(size=(2, 4, 3, 5)).astype("float32")
query_y = np.tile(np.arange(3), (4, 1)).astype("int32")
data = tf.data.Dataset.from_tensor_slices((Episode(Support(x, y), query_x), query_y)).batch(4)
with tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)]).scope():
    keras.utils.set_random_seed(1)
    learner = kmeta.MAML(keras.Sequential([keras.layers.Dense(3)]))
    learner.compile(keras.optimizers.SGD(1.0))
    if count == 1:  # on more devices `fit`, outside the scope, builds it
        learner.build((5,))
history = learner.fit(data, epochs=1, verbose=0).history
print(json.dumps([*learner.get_weights()[0].ravel().tolist(), *history["loss"]]))
