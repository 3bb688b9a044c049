"""How good learners and classifiers are: accuracy with its interval, calibration, confusion,
unknown classes, the official one-shot runs of Omniglot.

Names load on first use: `import kmeta.evaluation` imports neither Keras nor TensorFlow.
"""

from kmeta import lazy

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
