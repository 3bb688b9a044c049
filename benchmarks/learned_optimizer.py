"""The LSTM meta-learner against SGD: `python benchmarks/learned_optimizer.py RUN`.

Both start from the initial weights that the LSTM meta-learner of a run has learned, take as many
steps, and are scored on the same test tasks. For SGD every rate is shown, so that the best one,
chosen on the very tasks, stands for more than SGD can do.
"""

import argparse

import kmeta
from kmeta.runs import Run
from kmeta.runs.data import load_split, make_episodes

RATES = (0.03, 0.1, 0.15, 0.2, 0.3, 1.0)


def main():
    """Print a score for the learned optimizer, and one for each rate of SGD."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a finished run of an LSTM meta-learner")
    parser.add_argument("--data-dir", help="where the data are")
    arguments = parser.parse_args()
    recipe = Run(arguments.run).recipe
    dataset = load_split(recipe.data, "test", arguments.data_dir, recipe.data_options)
    episodes = make_episodes(dataset, recipe.test, recipe.turned(recipe.test))
    learner = kmeta.load(arguments.run)
    steps = learner.test_inner_steps
    print(f"{steps} steps of the learned optimizer:", kmeta.evaluate(learner, episodes, verbose=0))
    for rate in RATES:
        sgd = kmeta.MAML(learner.network, inner_steps=steps, inner_lr=rate)
        score = kmeta.evaluate(sgd, episodes, verbose=0)
        print(f"{steps} steps of SGD at {rate:g}:", score, flush=True)


if __name__ == "__main__":
    main()
