"""Scores over many episodes, with their interval and with what was scored."""

import dataclasses
import math

import keras
import numpy as np

from kmeta.learners.meta_learner import MetaLearner, rewound


@dataclasses.dataclass(frozen=True)
class Score:
    """Mean accuracy over episodes.

    accuracy: mean over episodes, 0 to 1.
    interval: half the width of its 95 % confidence interval, `1.96 * sd / sqrt(episodes)`.
    episodes: how many tasks were scored.
    bn_mode: the learner's batch-normalisation policy, without which scores cannot be compared.
    manifest: what identifies the episodes; its `episodes_sha256` is equal for equal episodes.
    """

    accuracy: float
    interval: float
    episodes: int
    bn_mode: str
    manifest: dict

    def __str__(self):
        return (
            f"{100 * self.accuracy:.2f} % +- {100 * self.interval:.2f} "
            f"(95 % interval, {self.episodes} episodes, bn_mode={self.bn_mode})"
        )


def evaluate(learner, episodes, verbose="auto"):
    """Accuracy of a learner over episodes, with its 95 % interval.

    Args:
        learner: a `MetaLearner`.
        episodes: `kmeta.Episodes`; scored from the first one on, so that the result repeats.
        verbose: 0 for no progress bar.

    Returns:
        A `Score`.

    Raises:
        ValueError: if the arguments are of other types, or the episodes have another way than the
            learner.
    """
    if not isinstance(learner, MetaLearner):
        raise ValueError(
            f"Argument `learner` must be a kmeta learner. Received: {type(learner).__name__}"
        )
    if not hasattr(episodes, "manifest"):
        raise ValueError(
            f"Argument `episodes` must be kmeta.Episodes. Received: {type(episodes).__name__}"
        )
    progress = keras.utils.Progbar(len(episodes), unit_name="step", verbose=int(verbose != 0))
    hits = []
    with rewound(episodes):
        for index in range(len(episodes)):
            episode, query_y = episodes[index]
            logits = learner.predict_on_batch(episode)
            if logits.shape[-1] != episode.support.y.shape[-1]:
                raise ValueError(
                    f"The learner predicts {logits.shape[-1]} classes; the episodes have "
                    f"{episode.support.y.shape[-1]}. Draw episodes with way={logits.shape[-1]}"
                )
            hits.extend(np.mean(logits.argmax(-1) == query_y, axis=1))
            progress.update(index + 1)
    spread = np.std(hits, ddof=1) if len(hits) > 1 else math.nan
    return Score(
        accuracy=float(np.mean(hits)),
        interval=float(1.96 * spread / math.sqrt(len(hits))),
        episodes=len(hits),
        bn_mode=learner.bn_mode,
        manifest=episodes.manifest(),
    )
