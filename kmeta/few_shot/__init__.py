"""A classifier of your own pictures, the networks that look at them, and its own estimates.

Names load on first use.
"""

from kmeta import lazy

_HOMES = {
    "Calibration": "estimates",
    "FewShotClassifier": "few_shot_classifier",
    "LeaveOneOut": "estimates",
    "learner_of": "backbones",
}
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {name: f"kmeta.few_shot.{home}" for name, home in _HOMES.items()}
)
