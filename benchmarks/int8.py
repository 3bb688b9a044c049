"""What int8 costs and saves on real Omniglot: `python benchmarks/int8.py RUN_OR_LEARNER`.

Adapts a trained metric learner to the first drawing of five characters it has never seen, exports
that in 8-bit integers, once with weights in 8 bits and once in 7, and prints size, time and
accuracy before and after. Calibrates with 500 drawings of the validation characters, scores on the
test tasks of the recipe. Omniglot is found as `kmeta.data.load` finds it.
"""

import argparse
import tempfile
from pathlib import Path

import kmeta
from kmeta.exporting import Int8


def main():
    """Export twice, print both reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("learner", type=Path, help="folder of a run, or a learner's .keras file")
    parser.add_argument("--episodes", type=int, default=1000, help="to score on (default: 1000)")
    arguments = parser.parse_args()
    learner = kmeta.load(arguments.learner)
    calibration = kmeta.data.load("omniglot", "val")
    unseen = kmeta.data.load("omniglot", "test")
    first = [unseen.indices_of(label)[0] for label in range(5)]
    classifier = learner.adapt(unseen.images[first], list(unseen.class_names[:5]))
    calibration = kmeta.Episodes(calibration, query=1, steps=50)
    scored = kmeta.Episodes(unseen, query=15, steps=arguments.episodes, seed=7, rotations=True)
    for reduce_range in (False, True):
        settings = Int8(calibration, scored, max_drop=100, reduce_range=reduce_range)
        with tempfile.TemporaryDirectory() as folder:
            print(kmeta.export(classifier, Path(folder) / "bundle", quantize=settings), flush=True)


if __name__ == "__main__":
    main()
