"""kmeta: few-shot and meta-learning for Keras, from paper to production.

Public names load on first use, so that `import kmeta` itself does not import TensorFlow. Where
Keras was imported before, all load at once, so that `keras.models.load_model` knows them;
`kmeta.load` always does.
"""

import sys
from typing import TYPE_CHECKING

from kmeta import lazy, learners
from kmeta.version import __version__ as __version__

if TYPE_CHECKING:  # what type checkers see of the names that load on first use
    from kmeta import data as data
    from kmeta import evaluation as evaluation
    from kmeta import exporting as exporting
    from kmeta import few_shot as few_shot
    from kmeta import layers as layers
    from kmeta import ops as ops
    from kmeta import plots as plots
    from kmeta import weights as weights
    from kmeta.data.episodes import Episodes as Episodes
    from kmeta.episode import Episode as Episode
    from kmeta.episode import Pairs as Pairs
    from kmeta.episode import Sequence as Sequence
    from kmeta.episode import Support as Support
    from kmeta.evaluation.score import evaluate as evaluate
    from kmeta.exporting import export as export
    from kmeta.few_shot.few_shot_classifier import FewShotClassifier as FewShotClassifier
    from kmeta.learners.classifier import Classifier as Classifier
    from kmeta.learners.memory.memory_augmented import (
        MemoryAugmentedNetwork as MemoryAugmentedNetwork,
    )
    from kmeta.learners.memory.meta_network import MetaNetwork as MetaNetwork
    from kmeta.learners.meta_learner import MetaLearner as MetaLearner
    from kmeta.learners.metric.matching import MatchingNetwork as MatchingNetwork
    from kmeta.learners.metric.prototypical import PrototypicalNetwork as PrototypicalNetwork
    from kmeta.learners.metric.r2d2 import R2D2 as R2D2
    from kmeta.learners.metric.relation import RelationNetwork as RelationNetwork
    from kmeta.learners.metric.siamese import SiameseNetwork as SiameseNetwork
    from kmeta.learners.optimization.lstm_meta_learner import LSTMMetaLearner as LSTMMetaLearner
    from kmeta.learners.optimization.maml import MAML as MAML
    from kmeta.learners.optimization.reptile import Reptile as Reptile
    from kmeta.runs import load as load

_HOMES = {
    **learners.HOMES,
    "Episode": "kmeta.episode",
    "Episodes": "kmeta.data.episodes",
    "FewShotClassifier": "kmeta.few_shot.few_shot_classifier",
    "Pairs": "kmeta.episode",
    "Sequence": "kmeta.episode",
    "Support": "kmeta.episode",
    "evaluate": "kmeta.evaluation.score",
    "export": "kmeta.exporting",
    "load": "kmeta.runs",
}
_MODULES = ("data", "evaluation", "exporting", "few_shot", "layers", "ops", "plots", "weights")
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {**_HOMES, **{name: f"kmeta.{name}" for name in _MODULES}}
)

if "keras" in sys.modules:
    learners.register_classes()
