"""Draw the README's picture: `python docs/picture.py [FILE]`, a few seconds.

A learner that comes with the package is given one drawing of each of five characters that it has
never seen, and names others; right answers have a green frame, wrong ones a red one.
"""

import sys
from pathlib import Path

import kmeta


def draw(path):
    """Write the picture."""
    learner = kmeta.load("prototypical-omniglot")
    unseen = kmeta.data.load("glyphs", "test")
    tasks = kmeta.Episodes(unseen, way=5, shot=1, query=8, seed=TASK)
    episode, query_y = tasks[0]
    answers = learner.predict_on_batch(episode).argmax(-1)
    names = [name.rpartition("/")[2] for name in tasks.class_names_of(0)[0]]
    return kmeta.plots.draw_episode(episode, query_y, path, names, predictions=answers)


TASK = 0  # number of the task; another number, another task

if __name__ == "__main__":
    print(draw(*sys.argv[1:] or [Path(__file__).with_name("task.png")]))
