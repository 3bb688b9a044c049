"""Tasks a second, beside easyfsl's sampler: `python benchmarks/sampling.py PYTHON [--out FILE]`.

PYTHON is that of `peers.py`. Both sides draw 5-way 1-shot tasks with 15 queries a class from the
same float32 pictures of Omniglot's size in memory, ready for training: kmeta's `Episodes` one task
an item and 32 tasks an item, and easyfsl's `TaskSampler` in PyTorch's `DataLoader`, without further
processes on either side. Rounds take turns; medians are printed.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time

import numpy as np
from peers import Side, program

import kmeta
from kmeta.runs.machines import machine

ROUNDS, SECONDS = 7, 1.0
TASK = {"way": 5, "shot": 1, "query": 15}
TOGETHER = 32
EASYFSL = pathlib.Path(__file__).with_name("sampling_easyfsl.py")


def main():
    """Print a line a sampler."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", type=program, help="of the environment with PyTorch")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", help="JSON file to write")
    arguments = parser.parse_args()
    glyphs = kmeta.data.load("glyphs", "train")
    x = (glyphs.images / 255).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "pictures.npz"
        np.savez(file, x=x.transpose(0, 3, 1, 2), y=glyphs.labels)
        theirs = Side([arguments.python, str(EASYFSL), str(file), *map(str, TASK.values())])
        record = {"machine": machine(), "peers": theirs.ask("versions"), "task": TASK}
        data = kmeta.data.from_arrays(x, glyphs.labels)
        sides = {
            "kmeta": drawing(data, 1),
            f"kmeta, {TOGETHER} tasks an item": drawing(data, TOGETHER),
            "easyfsl": lambda tasks: theirs.ask("time", tasks),
        }
        rates = measured(sides, arguments.rounds)
        theirs.close()
    record["tasks_per_second"] = rates
    for name, rate in rates.items():
        print(f"{name}: {rate:.0f} tasks/s, {rate / rates['easyfsl']:.1f} times easyfsl's")
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps(record, indent=1) + "\n")


def drawing(data, together):
    """A function from a number of tasks to the seconds a task, drawn so many an item."""

    def run(tasks):
        steps = max(1, tasks // together)
        episodes = kmeta.Episodes(data, **TASK, tasks_per_step=together, steps=steps)
        start = time.perf_counter()
        for index in range(steps):
            episodes[index]
        return (time.perf_counter() - start) / (steps * together)

    return run


def measured(sides, rounds):
    """Median of tasks a second of each side, by rounds of about `SECONDS`."""
    counts = {name: round(SECONDS / ask(5 * TOGETHER)) for name, ask in sides.items()}
    found = {name: [] for name in sides}
    for _ in range(rounds):
        for name, ask in sides.items():
            found[name].append(1 / ask(counts[name]))
    return {name: statistics.median(rates) for name, rates in found.items()}


if __name__ == "__main__":
    main()
