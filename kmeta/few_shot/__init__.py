"""A classifier of your own pictures, the networks that look at them, and its own estimates.

Names load on first use.
"""

from typing import TYPE_CHECKING

from kmeta import lazy

if TYPE_CHECKING:  # what type checkers see of the names that load on first use
    from kmeta.few_shot.backbones import learner_of as learner_of
    from kmeta.few_shot.estimates import Calibration as Calibration
    from kmeta.few_shot.estimates import LeaveOneOut as LeaveOneOut
    from kmeta.few_shot.few_shot_classifier import FewShotClassifier as FewShotClassifier

_HOMES = {
    "Calibration": "estimates",
    "FewShotClassifier": "few_shot_classifier",
    "LeaveOneOut": "estimates",
    "learner_of": "backbones",
}
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {name: f"kmeta.few_shot.{home}" for name, home in _HOMES.items()}
)
