"""Prints the MiB that a step of MAML takes, for test_maml_gradients.py.

Arguments: tasks, inner steps, 1 for `remat`. Without the pictures themselves.
"""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import kmeta
from kmeta import Episode, Support
from kmeta.layers import Conv4


def peak():
    """KiB, since this program began: `getrusage` also counts the process that started it."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])


tasks, steps, remat = map(int, sys.argv[1:])
tf.config.threading.set_inter_op_parallelism_threads(1)
network = keras.Sequential([Conv4(16), keras.layers.Dense(5)])
learner = kmeta.MAML(network, inner_steps=steps, inner_lr=0.01, remat=bool(remat))
learner.build((84, 84, 1))
learner.compile(keras.optimizers.SGD(0.01))
rng = np.random.default_rng(0)
x, query_x = rng.random((2, tasks, 25, 84, 84, 1), dtype="float32")
y = np.tile(np.eye(5, dtype="float32").repeat(5, axis=0), (tasks, 1, 1))
query_y = np.tile(np.arange(25) // 5, (tasks, 1)).astype("int32")
data = tf.nest.map_structure(tf.constant, (Episode(Support(x, y), query_x), query_y))
step = tf.function(learner.train_step, jit_compile=False).get_concrete_function(data)
before = peak()
step(data)
print((peak() - before) / 1024)
