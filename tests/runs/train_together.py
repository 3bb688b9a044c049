"""Trains as one of several replicas, for test_distributed.py: the arguments of `train`, as JSON.

With `floatx`, in which Keras computes.

"mirrored" means two devices here, which a machine without graphics cards has by its processor.
"""

import json
import sys

import keras
import tensorflow as tf

from kmeta.recipes import Recipe
from kmeta.runs import train

recipe, path, options = (json.loads(argument) for argument in sys.argv[1:])
keras.config.set_floatx(options.pop("floatx"))
if options["distribute"] == "mirrored":
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    mirrored = tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: mirrored(["CPU:0", "CPU:1"])
result = train(Recipe.from_dict(recipe), path, verbose=0, **options)
print(json.dumps(result))
