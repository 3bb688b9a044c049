"""Training steps a second on JAX, beside programs in plain JAX: `python benchmarks/jax_steps.py`.

MAML (32 tasks, 5-way 1-shot) and a Prototypical Network (60-way 1-shot) by their recipes, on tasks
of Omniglot's size. Both programs begin with the same weights and are fed the same NumPy batches;
their losses are first shown to agree. Rounds take turns; medians are printed, as JSON with
`--out FILE`. Run it where JAX is, with a GPU or without.
"""

import argparse
import json
import os
import statistics
import time

os.environ["KERAS_BACKEND"] = "jax"

import jax
from jax import lax
from jax import numpy as jnp

import kmeta
from kmeta import recipes
from kmeta.runs.building import make_learner, make_optimizer
from kmeta.runs.data import make_episodes

BATCHES = 20
LEARNERS = {
    "MAML": "maml-omniglot-5way-1shot",
    "Prototypical": "prototypical-omniglot-5way-1shot",
}


def main():
    """Print a line a learner."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="JSON file to write")
    arguments = parser.parse_args()
    device = jax.devices()[0]
    precision = jax.config.jax_default_matmul_precision or "default"
    record = {"device": device.device_kind, "jax": jax.__version__, "precision": precision}
    record["learners"] = {}
    print(f"{device.device_kind}, JAX {jax.__version__}, {arguments.steps} steps a round")
    for name in LEARNERS:
        row = compare(name, arguments.steps, arguments.rounds)
        record["learners"][name] = row
        print(
            f"{name}: kmeta {row['kmeta']:.0f} steps/s, plain JAX {row['plain']:.0f}, "
            f"ratio {row['kmeta'] / row['plain']:.2f}; loss differs by {row['difference']:.1e}; "
            f"first step {row['kmeta_first']:.1f} s, plain {row['plain_first']:.1f} s",
            flush=True,
        )
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)


def compare(name, steps, rounds):
    """Medians of steps a second, and by how much the first losses differ, relatively."""
    recipe = recipes.get(LEARNERS[name])
    episodes = make_episodes(kmeta.data.load("glyphs", "train"), recipe.train, True)
    batches = [episodes[i] for i in range(BATCHES)]
    learner = make_learner(recipe)
    learner.build(batches[0][0].image_shape)
    learner.compile(make_optimizer(recipe), metrics=[])
    weights = [jnp.array(w.value) for w in learner.trainable_variables]
    plain = Plain(maml_loss if name == "MAML" else prototypical_loss, weights)

    def by_kmeta(count):
        history = learner.fit(repeated(batches), steps_per_epoch=count, epochs=1, verbose=0)
        return history.history["loss"][0]

    def by_plain(count):
        for number in range(count):
            loss = plain.step(batches[number % BATCHES])
        return float(loss)

    row = {}
    for kind, run in (("kmeta", by_kmeta), ("plain", by_plain)):
        start = time.perf_counter()
        row[f"{kind}_loss"] = run(1)
        row[f"{kind}_first"] = time.perf_counter() - start
    row["difference"] = abs(row["kmeta_loss"] - row["plain_loss"]) / row["plain_loss"]
    rates = {"kmeta": [], "plain": []}
    for _ in range(rounds):
        for kind, run in (("kmeta", by_kmeta), ("plain", by_plain)):
            start = time.perf_counter()
            run(steps)
            rates[kind].append(steps / (time.perf_counter() - start))
    return {**row, **{kind: statistics.median(found) for kind, found in rates.items()}}


def repeated(batches):
    """The batches without end, as Keras takes them."""
    while True:
        yield from batches


class Plain:
    """Adam on a loss of `(weights, batch)`, as one would write it without a library."""

    def __init__(self, loss, weights):
        first, second = ([jnp.zeros_like(w) for w in weights] for _ in range(2))
        self.state = (weights, first, second, jnp.float32(0))

        def update(state, batch):
            weights, m, v, t = state
            value, gradients = jax.value_and_grad(loss)(weights, batch)
            t = t + 1
            m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
            v = [0.999 * a + 0.001 * g * g for a, g in zip(v, gradients, strict=True)]
            rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            weights = [
                w - rate * a / (jnp.sqrt(b) + 1e-7) for w, a, b in zip(weights, m, v, strict=True)
            ]
            return value, (weights, m, v, t)

        self.update = jax.jit(update, donate_argnums=0)

    def step(self, batch):
        """One step; returns the loss before it."""
        loss, self.state = self.update(self.state, arrays(batch))
        return loss


def arrays(batch):
    """`(support_x, support_y, query_x, query_y)` of a batch of episodes."""
    episode, query_y = batch
    return episode.support.x, episode.support.y, episode.query_x, query_y


def block(x, kernel, bias, gamma, beta, stride, epsilon):
    """Convolution and batch normalisation by the batch's own statistics."""
    x = lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    x = x + bias
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * gamma * lax.rsqrt(variance + epsilon) + beta


def cross_entropy(logits, labels):
    """Mean over `labels`, integers."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1).mean()


def maml_loss(weights, batch):
    """Query loss after one inner step, over tasks (Finn et al. 2017)."""

    def logits(weights, x):
        for i in range(4):
            x = block(x, weights[2 * i], weights[2 * i + 1], 1.0, weights[8 + i], 2, 1e-3)
            x = jax.nn.relu(x)
        return x.mean((1, 2)) @ weights[12] + weights[13]

    def task(support_x, support_y, query_x, query_y):
        def support_loss(weights):
            return -(jax.nn.log_softmax(logits(weights, support_x)) * support_y).sum(-1).mean()

        gradients = jax.grad(support_loss)(weights)
        adapted = [w - 0.4 * g for w, g in zip(weights, gradients, strict=True)]
        return cross_entropy(logits(adapted, query_x), query_y)

    return jax.vmap(task)(*batch).mean()


def prototypical_loss(weights, batch):
    """Cross-entropy of softmax over negative squared distances (Snell et al. 2017)."""
    support_x, support_y, query_x, query_y = (x[0] for x in batch)
    x = jnp.concatenate([support_x, query_x])
    for i in range(4):
        x = block(x, *weights[2 * i : 2 * i + 2], *weights[8 + 2 * i : 10 + 2 * i], 1, 1e-5)
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = jax.nn.relu(x)
    x = x.reshape(len(x), -1)
    support, query = x[: len(support_x)], x[len(support_x) :]
    prototypes = support_y.T @ support / support_y.sum(0)[:, None]
    distances = ((query[:, None] - prototypes[None]) ** 2).sum(-1)
    return cross_entropy(-distances, query_y)


if __name__ == "__main__":
    main()
