"""Time and memory of training steps: `python benchmarks/training_steps.py maml|memory`.

`maml`: Conv-4 with 64 filters, 5-way 1-shot tasks of Omniglot's size with one query a class, by
tasks a step, inner steps and `remat`. `memory`: a step of the recipes of memory-augmented and Meta
Networks, and of the same without their parts, which shows where the time goes. Every row is
measured in a process of its own, after the graph is traced: the growth of the process at its peak,
and the shortest of several steps.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
QUICKEST_OF = 5
ROWS = {
    "maml": [
        *((tasks, 1, 1) for tasks in (1, 4, 16, 32)),
        *((1, inner_steps, remat) for inner_steps in (1, 5, 20, 50) for remat in (0, 1)),
    ],
    "memory": [
        ("mann", "as it is"),
        ("mann", "an LSTM in place of controller and memory"),
        ("mann", "8 slots in place of 128"),
        ("metanet", "as it is"),
        ("metanet", "1 unit in place of 20 in the makers of fast weights"),
    ],
}
HEADS = {
    "maml": ("Tasks a step", "Inner steps", "remat"),
    "memory": ("Learner", "What"),
}


def maml(tasks, inner_steps, remat):
    """Return MAML and a batch of episodes."""
    import keras

    import kmeta

    network = keras.Sequential([kmeta.layers.Conv4(), keras.layers.Dense(5)])
    learner = kmeta.MAML(network, inner_steps=inner_steps, inner_lr=0.01, remat=bool(remat))
    glyphs = kmeta.data.load("glyphs", "test")
    return learner, kmeta.Episodes(glyphs, 5, 1, 1, tasks_per_step=tasks)[0]


def memory(name, what):
    """Return a learner as its recipe has it, or without a part, and a batch."""
    import kmeta
    from kmeta import recipes
    from kmeta.runs.building import make_learner
    from kmeta.runs.data import make_episodes, sequence_labels

    recipe = recipes.get(
        {"mann": "mann-omniglot-5way", "metanet": "metanet-omniglot-5way-1shot"}[name]
    )
    options = {
        "an LSTM in place of controller and memory": {"cell": "lstm", "scale": 1.0},
        "8 slots in place of 128": {"cell": kmeta.layers.MemoryCell(slots=8), "scale": 1.0},
        "1 unit in place of 20 in the makers of fast weights": {"units": 1},
    }.get(what, {})
    learner = make_learner(replace(recipe, learner_options={**recipe.learner_options, **options}))
    size = recipe.data_options.get("size", 28)
    glyphs = kmeta.data.load("glyphs", "test", size=size)
    return learner, make_episodes(glyphs, recipe.train, True, sequence_labels(recipe))[0]


def measure(learner, batch):
    """Return MiB and seconds of one training step on `batch`, in this process."""
    import keras
    import tensorflow as tf

    learner.build(batch[0].image_shape)
    learner.compile(keras.optimizers.SGD(0.01))
    data = tf.nest.map_structure(tf.constant, batch)
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
    """Print a table; with `--row`, one row of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=tuple(ROWS))
    parser.add_argument("--row", type=int, metavar="N", help="only this one, in this process")
    arguments = parser.parse_args()
    rows = ROWS[arguments.table]
    if arguments.row is not None:
        row = rows[arguments.row]
        peak, seconds = measure(*{"maml": maml, "memory": memory}[arguments.table](*row))
        print("|", " | ".join(map(str, (*row, f"{peak:.0f}", f"{seconds:.3f}"))), "|")
        return
    heads = (*HEADS[arguments.table], "Peak, MiB", "Step, s")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for number in range(len(rows)):
        command = [sys.executable, __file__, arguments.table, "--row", str(number)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
