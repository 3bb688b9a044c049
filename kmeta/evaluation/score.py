"""Scores over many episodes, with their interval and with what was scored."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from kmeta.episode import Sequence
from kmeta.learners.meta_learner import MetaLearner
from kmeta.learners.streams import rewound


@dataclasses.dataclass(frozen=True)
class Score:
    """Mean accuracy over episodes.

    accuracy: mean over episodes, 0 to 1; of sequences, at the last instance of each class.
    interval: half the width of its 95 % confidence interval, `1.96 * sd / sqrt(episodes)`.
    episodes: how many tasks were scored.
    bn_mode: the learner's batch-normalisation policy, without which scores cannot be compared.
    manifest: what identifies the episodes; its `episodes_sha256` is equal for equal episodes.
    instances: of sequences, `(accuracy, interval)` at the first, second, ... instance of a class;
        None of other episodes.

    >>> print(Score(0.975, 0.002, episodes=1000, bn_mode="running", manifest={}))
    97.50 % +- 0.20 (95 % interval, 1000 episodes, bn_mode=running)
    """

    accuracy: float
    interval: float
    episodes: int
    bn_mode: str
    manifest: dict[str, Any]
    instances: tuple[tuple[float, float], ...] | None = None

    def __str__(self):
        return (
            f"{100 * self.accuracy:.2f} % +- {100 * self.interval:.2f} "
            f"(95 % interval, {self.episodes} episodes, bn_mode={self.bn_mode})"
        )


def evaluate(learner: MetaLearner, episodes: Any, verbose: int | str = "auto") -> Score:
    """Accuracy of a learner over episodes, with its 95 % interval.

    Args:
        learner: a `MetaLearner`.
        episodes: `kmeta.Episodes`, or for `MemoryAugmentedNetwork` also
            `kmeta.data.SequenceEpisodes`; scored from the first one on, so that the result repeats.
        verbose: 0 for no progress bar.

    Returns:
        A `Score`.

    Raises:
        ValueError: if the arguments are of other types, or the episodes have another way or other
            labels than the learner.

    >>> unseen = kmeta.data.load("glyphs", "val")
    >>> tasks = kmeta.Episodes(unseen, way=5, shot=1, query=5, steps=10)
    >>> score = evaluate(kmeta.load("prototypical-omniglot"), tasks, verbose=0)
    >>> score.episodes, score.bn_mode, score.accuracy > 0.9
    (10, 'running', True)
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
    hits = []  # for each task the share of right answers, or one share for each instance
    with rewound(episodes):
        for index in range(len(episodes)):
            inputs, labels = episodes[index]
            _check_inputs(learner, inputs, labels)
            sequences = isinstance(inputs, Sequence)
            logits = learner.predict_on_batch(inputs)
            if sequences:
                hits.extend(hits_by_instance(logits.argmax(-1), labels))
            else:
                _check_way(logits.shape[-1], inputs.support.y.shape[-1])
                hits.extend(np.mean(logits.argmax(-1) == labels, axis=1))
            progress.update(index + 1)
    hits = np.reshape(hits, (len(hits), -1))
    spread = np.std(hits, axis=0, ddof=1) if len(hits) > 1 else np.full(hits.shape[1], math.nan)
    intervals = 1.96 * spread / math.sqrt(len(hits))
    instances = tuple(zip(hits.mean(axis=0).tolist(), intervals.tolist(), strict=True))
    accuracy, interval = instances[-1]
    return Score(
        accuracy=accuracy,
        interval=interval,
        episodes=len(hits),
        bn_mode=learner.bn_mode,
        manifest=episodes.manifest(),
        instances=instances if sequences else None,
    )


def hits_by_instance(answers, labels):
    """Share of right answers at the first, second, ... instance of a class in a sequence.

    Args:
        answers, labels: int `[tasks, steps]`, or `[tasks, steps, letters]`. In every sequence every
            class comes equally often.

    Returns:
        float `[tasks, instances]`; column k is the mean over the classes of a task.
    """
    answers, labels = (np.reshape(x, (*np.shape(labels)[:2], -1)) for x in (answers, labels))
    right = np.all(answers == labels, axis=-1)
    same = np.all(labels[:, :, None] == labels[:, None], axis=-1)
    number = np.sum(np.tril(same, -1), axis=-1)
    return np.stack(
        [
            np.sum(right & (number == k), axis=1) / np.sum(number == k, axis=1)
            for k in range(number.max() + 1)
        ],
        axis=1,
    )


def _check_inputs(learner, inputs, labels):
    if not isinstance(inputs, learner.input_types):
        known = " or ".join(kind.__name__ for kind in learner.input_types)
        raise ValueError(
            f"{type(learner).__name__} takes items with {known}. Received: `episodes` with "
            f"{type(inputs).__name__}"
        )
    if not isinstance(inputs, Sequence):
        return
    learner.check_labels("strings" if np.ndim(labels) == 3 else "one_hot")
    if inputs.previous_y.shape[-1] != learner.symbols:
        raise ValueError(
            f"The learner takes labels of {learner.symbols} numbers, one-hot or letter by letter. "
            f"Received: `episodes` whose labels have {inputs.previous_y.shape[-1]}"
        )


def _check_way(predicted, way):
    if predicted != way:
        raise ValueError(
            f"The learner predicts {predicted} classes; the episodes have {way}. Draw episodes "
            f"with way={predicted}"
        )
