"""Training steps beside PyTorch's: `python benchmarks/peers.py PYTHON [--out FILE]`.

PYTHON is the interpreter of an environment of its own that has PyTorch, easyfsl and NumPy
(`python -m venv peers && peers/bin/pip install torch easyfsl`). Recipes on tasks of Omniglot's
size, beside a loop over tasks in eager PyTorch, `torch.func`, `torch.compile`, channels-last and
easyfsl's methods. Both sides begin with the same weights and are fed the same batches; the loss and
gradients of a step are first shown to agree, in float64. Then rounds take turns, and medians are
printed. kmeta's steps are those of Keras' `fit`, with the number of threads that docs/benchmarks.md
advises. Tasks of Reptile are compared on whole support sets, and timed on mini-batches. The share
of the machine is that of the rate of products of 1024 x 1024 matrices, by operations that PyTorch
counts. easyfsl normalises support and queries apart, so that its losses differ; exit code 1 where
others do. Run it on a machine that does nothing else: PyTorch's threads wait for each other.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

BATCHES, ROUNDS, SECONDS = 10, 5, 1.5
RECIPES = {
    "MAML": "maml-omniglot-5way-1shot",
    "FOMAML": "fomaml-omniglot-5way-1shot",
    "Reptile": "reptile-omniglot-5way-1shot",
    "Prototypical": "prototypical-omniglot-5way-1shot",
    "Matching": "matching-omniglot-5way-1shot",
    "Relation": "relation-omniglot-5way-1shot",
}
ONE_THREAD = ("MAML", "FOMAML", "Reptile")  # an operation; the others have TensorFlow's own number
AGREE = 1e-6  # relatively, of losses and gradients in float64


def main():
    """Print a line a learner and peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", type=program, help="of the environment with PyTorch")
    parser.add_argument("--only", choices=RECIPES, action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--worker", nargs=2, metavar=("CASE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return serve(*arguments.worker)
    record = {"rounds": arguments.rounds, "learners": {}}
    for name in arguments.only or RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            row = compare(name, arguments.python, arguments.rounds, pathlib.Path(folder))
        record |= {"machine": row.pop("machine"), "peers": row.pop("peers_versions")}
        record["learners"][name] = row
    if arguments.out:
        pathlib.Path(arguments.out).write_text(json.dumps(record, indent=1) + "\n")
    peers = [
        peer
        for row in record["learners"].values()
        for variant, peer in row["peers"].items()
        if variant != "easyfsl"
    ]
    return int(any(max(peer["loss"], peer["gradients"]) > AGREE for peer in peers))


def program(text):
    """The name of a program that there is."""
    if shutil.which(text) is None:
        raise argparse.ArgumentTypeError(f"there is no program {text}")
    return text


class Side:
    """A process that answers orders by lines of JSON."""

    def __init__(self, command, **environment):
        pipe, environment = subprocess.PIPE, {**os.environ, **environment}
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def ask(self, *order):
        """The answer to an order."""
        self.process.stdin.write(" ".join(map(str, order)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process of {self.process.args} ended at {order}")
        return json.loads(line)

    def close(self):
        """End the process."""
        self.process.communicate()


def compare(name, python, rounds, folder):
    """What was measured of one learner."""
    file = folder / "case.npz"
    ours = Side([sys.executable, __file__, python, "--worker", name, str(file)])
    row = {"machine": ours.ask("machine"), "peers": {}}
    script = pathlib.Path(__file__).with_name("peers_torch.py")
    empty = str(folder / "compiled")  # what an earlier run has compiled would not be compiled
    theirs = Side([python, str(script), str(file), name], TORCHINDUCTOR_CACHE_DIR=empty)
    row["peers_versions"] = theirs.ask("versions")
    variants, flops, rate = theirs.ask("variants"), theirs.ask("flops"), ours.ask("rate")
    loss = ours.ask("check", folder / "ours.npz")
    for variant in variants:
        other = theirs.ask("check", variant, folder / "theirs.npz")
        difference = gradient_difference(folder / "ours.npz", folder / "theirs.npz")
        peer = {"loss": abs(other - loss) / abs(loss), "gradients": difference}
        row["peers"][variant] = peer
    sides = {"kmeta": lambda steps: ours.ask("time", steps)}
    for variant in variants:
        sides[variant] = lambda steps, variant=variant: theirs.ask("time", variant, steps)
    first = {}  # seconds of the first steps, with tracing and compiling
    for side, ask in sides.items():
        start = time.perf_counter()
        ask(1)
        first[side] = time.perf_counter() - start
    counts = {side: max(1, round(SECONDS / ask(3))) for side, ask in sides.items()}
    times = {side: [] for side in sides}
    for _ in range(rounds):
        for side, ask in sides.items():
            times[side].append(ask(counts[side]))
    medians = {side: statistics.median(found) for side, found in times.items()}
    row["kmeta_seconds"], row["kmeta_first"] = medians["kmeta"], first["kmeta"]
    row |= {"rate": rate, "share": flops / medians["kmeta"] / rate}
    print(
        f"{name}: kmeta {1e3 * medians['kmeta']:.0f} ms a step, {100 * row['share']:.0f} % of "
        f"{rate / 1e9:.0f} GFLOP/s, first step {first['kmeta']:.1f} s"
    )
    for variant, peer in row["peers"].items():
        peer |= {"seconds": medians[variant], "first": first[variant]}
        peer["ratio"] = medians[variant] / medians["kmeta"]
        print(
            f"  {variant}: {1e3 * medians[variant]:.0f} ms, {peer['ratio']:.2f} times as long; "
            f"first step {first[variant]:.1f} s; loss differs by {peer['loss']:.0e}, gradients "
            f"by {peer['gradients']:.0e}",
            flush=True,
        )
    ours.close()
    theirs.close()
    return row


def gradient_difference(first, second):
    """Largest difference, relative to the largest gradient."""
    with np.load(first) as a, np.load(second) as b:
        assert sorted(a) == sorted(b)
        largest = max(abs(a[key]).max() for key in a)
        return float(max(abs(a[key] - b[key]).max() for key in a) / largest)


def serve(name, file):
    """Be kmeta's side: write weights and batches to the file, and answer orders."""
    from kmeta import recipes

    recipe = recipes.get(RECIPES[name])
    import tensorflow as tf

    if name in ONE_THREAD:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    worker = Ours(recipe, file)
    for line in sys.stdin:
        order, *arguments = line.split()
        print(json.dumps(getattr(worker, order)(*arguments)), flush=True)


def peers_layout(array):
    """Weights as PyTorch has them: filters first, and dense layers turned."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


class Ours:
    """Answers orders about a recipe's learner."""

    def __init__(self, recipe, file):
        import kmeta
        from kmeta.runs.data import make_episodes

        self.recipe = recipe
        episodes = make_episodes(kmeta.data.load("glyphs", "train"), recipe.train, True)
        self.batches = [episodes[i] for i in range(BATCHES)]
        self.learner = self.made(recipe)
        self.start = [w.numpy() for w in self.learner.trainable_variables]
        arrays = {f"w{i}": peers_layout(w) for i, w in enumerate(self.start)}
        for number, (episode, query_y) in enumerate(self.batches):
            arrays |= {
                f"b{number}_support_x": episode.support.x.transpose(0, 1, 4, 2, 3),
                f"b{number}_support_y": episode.support.y.argmax(-1),
                f"b{number}_query_x": episode.query_x.transpose(0, 1, 4, 2, 3),
                f"b{number}_query_y": query_y,
            }
        np.savez(file, **arrays)

    def made(self, recipe):
        """A learner with metrics and optimizer of its own."""
        from kmeta.runs.building import make_learner, make_optimizer

        learner = make_learner(recipe)
        learner.build(self.batches[0][0].image_shape)
        learner.compile(make_optimizer(recipe))
        return learner

    def machine(self):
        from kmeta.runs.machines import machine

        return machine()

    def rate(self):
        """Operations a second of products of matrices, by all cores."""
        a, seconds = np.random.default_rng(0).random((1024, 1024), "float32"), []
        for _ in range(20):
            start = time.perf_counter()
            a @ a
            seconds.append(time.perf_counter() - start)
        return 2 * 1024**3 / statistics.median(seconds)

    def check(self, out):
        """The loss of the first batch; its gradients go into a file."""
        import keras

        keras.config.set_dtype_policy("float64")
        keras.config.set_floatx("float64")
        learner = self.made(self.recipe)
        learner.compile(keras.optimizers.SGD(1.0))
        if self.recipe.learner == "reptile":
            learner.inner_batch = None
        for weight, value in zip(learner.trainable_variables, self.start, strict=True):
            weight.assign(value.astype("float64"))
        batch = keras.tree.map_structure(
            lambda x: x.astype("float64") if x.dtype.kind == "f" else x, self.batches[0]
        )
        loss = learner.train_on_batch(*batch, return_dict=True)["loss"]
        after = [w.numpy() for w in learner.trainable_variables]
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float32")
        gradients = [a.astype("float64") - b for a, b in zip(self.start, after, strict=True)]
        np.savez(out, **{f"w{i}": peers_layout(g) for i, g in enumerate(gradients)})
        return float(loss)

    def time(self, steps):
        """Seconds a step, in Keras' loop: from the end of its first step to that of its last."""
        import keras

        def repeated():
            while True:
                yield from self.batches

        ends, count = [], int(steps)
        clock = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
        )
        options = {"steps_per_epoch": count + 1, "callbacks": [clock], "verbose": 0}
        self.learner.fit(repeated(), shuffle=False, **options)
        return (ends[-1] - ends[0]) / count


if __name__ == "__main__":
    sys.exit(main())
