"""MAML on sine waves (Finn et al. 2017, section 5.1): `python benchmarks/maml_sinusoid.py FOLDER`.

Trains on 10 points a task, then tests on 5 points of new tasks, as in the paper, whose mean squared
errors after 1, 5 and 10 steps are 0.67, 0.38 and 0.35; this reached 0.56, 0.32 and 0.29 (seed 0).
A training step takes about 5 ms on two cores. Writes `learner.keras` and `curves.png`.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import kmeta

STEPS = (0, 1, 2, 3, 5, 10)


def train(steps):
    """Return MAML with the paper's network and settings, trained."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(40, activation="relu") for _ in range(2)]
    network = keras.Sequential([keras.Input((1,)), *hidden, keras.layers.Dense(1)])
    learner = kmeta.MAML(network, inner_lr=0.01, inner_loss="mean_squared_error")
    learner.compile(keras.optimizers.Adam(1e-3), jit_compile=True)
    epochs = max(1, steps // 1000)
    tasks = kmeta.data.SinusoidEpisodes(shot=10, steps=steps // epochs, tasks_per_step=25)
    learner.fit(tasks, epochs=epochs, verbose=2)
    return learner


def main():
    """Train, print the errors, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=70_000, help="of training (default: 70000)")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    learner = train(arguments.steps)
    learner.save(arguments.folder / "learner.keras")
    tests = kmeta.data.SinusoidEpisodes(shot=5, query=100, steps=80, tasks_per_step=25, seed=1)
    drawn = {}
    for steps in STEPS:
        adapted = learner.with_options(test_inner_steps=steps)
        adapted.compile()
        predictions = [adapted.predict_on_batch(tests[i][0]) for i in range(len(tests))]
        errors = np.concatenate(
            [np.square(p - tests[i][1]).mean((1, 2)) for i, p in enumerate(predictions)]
        )
        interval = 1.96 * errors.std() / np.sqrt(len(errors))
        print(f"after {steps} steps: {errors.mean():.3f} +- {interval:.3f}", flush=True)
        if steps in (0, 1, 10):
            drawn[f"{steps} steps"] = predictions[0]
    print(kmeta.plots.draw_curves(*tests[0], drawn, arguments.folder / "curves.png"))


if __name__ == "__main__":
    main()
