"""How good learners and classifiers are: accuracy with its interval, calibration, confusion,
unknown classes, the official one-shot runs of Omniglot.

Names load on first use: `import kmeta.evaluation` imports neither Keras nor TensorFlow.
"""

from typing import TYPE_CHECKING

from kmeta import lazy

if TYPE_CHECKING:  # what type checkers see of the names that load on first use
    from kmeta.evaluation.calibration import Reliability as Reliability
    from kmeta.evaluation.calibration import (
        expected_calibration_error as expected_calibration_error,
    )
    from kmeta.evaluation.calibration import reliability as reliability
    from kmeta.evaluation.confusion import confusion_matrix as confusion_matrix
    from kmeta.evaluation.confusion import confusion_over_episodes as confusion_over_episodes
    from kmeta.evaluation.intervals import wilson_interval as wilson_interval
    from kmeta.evaluation.labelled import LabelledScore as LabelledScore
    from kmeta.evaluation.labelled import score_folder as score_folder
    from kmeta.evaluation.one_shot_runs import hausdorff_one_shot as hausdorff_one_shot
    from kmeta.evaluation.one_shot_runs import omniglot_one_shot as omniglot_one_shot
    from kmeta.evaluation.open_set import auroc as auroc
    from kmeta.evaluation.score import Score as Score
    from kmeta.evaluation.score import evaluate as evaluate

_HOMES = {
    "LabelledScore": "labelled",
    "Reliability": "calibration",
    "Score": "score",
    "auroc": "open_set",
    "confusion_matrix": "confusion",
    "confusion_over_episodes": "confusion",
    "evaluate": "score",
    "expected_calibration_error": "calibration",
    "hausdorff_one_shot": "one_shot_runs",
    "omniglot_one_shot": "one_shot_runs",
    "reliability": "calibration",
    "score_folder": "labelled",
    "wilson_interval": "intervals",
}
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {name: f"kmeta.evaluation.{home}" for name, home in _HOMES.items()}
)
