"""Time and memory of a training step of MAML: `python benchmarks/maml_memory.py`.

Conv-4 with 64 filters, 5-way 1-shot tasks of Omniglot's size with one query a class. Every row is
measured in a process of its own, after the graph is traced: the growth of the process at its peak,
and the shortest of several steps.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
WAY, QUICKEST_OF = 5, 3


def measure(tasks, inner_steps, remat):
    """Return MiB and seconds of one step, in this process."""
    import keras
    import numpy as np
    import tensorflow as tf

    import kmeta

    network = keras.Sequential([kmeta.layers.Conv4(), keras.layers.Dense(WAY)])
    learner = kmeta.MAML(network, inner_steps=inner_steps, inner_lr=0.01, remat=remat)
    learner.build((28, 28, 1))
    learner.compile(keras.optimizers.SGD(0.01))
    rng = np.random.default_rng(0)
    x, query_x = rng.random((2, tasks, WAY, 28, 28, 1), dtype="float32")
    y = np.tile(np.eye(WAY, dtype="float32"), (tasks, 1, 1))
    query_y = np.tile(np.arange(WAY, dtype="int32"), (tasks, 1))
    episode = kmeta.Episode(kmeta.Support(x, y), query_x)
    data = tf.nest.map_structure(tf.constant, (episode, query_y))
    step = tf.function(learner.train_step, jit_compile=False).get_concrete_function(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(data)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds = []
    for _ in range(QUICKEST_OF):
        start = time.perf_counter()
        step(data)
        seconds.append(time.perf_counter() - start)
    return peak, min(seconds)


def main():
    """Print the table; with arguments, one row of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", nargs=3, type=int, metavar=("TASKS", "INNER_STEPS", "REMAT"))
    arguments = parser.parse_args()
    if arguments.row:
        tasks, inner_steps, remat = arguments.row
        peak, seconds = measure(tasks, inner_steps, bool(remat))
        kind = "yes" if remat else "no"
        print(f"| {tasks} | {inner_steps} | {kind} | {peak:.0f} | {seconds:.2f} |")
        return
    print("| Tasks a step | Inner steps | remat | Peak, MiB | Step, s |\n|---|---|---|---|---|")
    rows = [(tasks, 1, 1) for tasks in (1, 4, 16, 32)]
    rows += [(1, inner_steps, remat) for inner_steps in (1, 5, 20, 50) for remat in (0, 1)]
    for row in rows:
        command = [sys.executable, __file__, "--row", *map(str, row)]
        print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout, end="")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
