import keras
import numpy as np
import pytest

import kmeta

rng = np.random.default_rng(8)
DATA = kmeta.data.from_arrays(
    (rng.normal(size=(60, 4)) + 2 * np.arange(6).repeat(10)[:, None]).astype("float32"),
    np.arange(6).repeat(10),
)


def identity(**options):
    return kmeta.PrototypicalNetwork(keras.layers.Identity(), **options)


def test_mean_and_interval_are_over_episodes():
    episodes = kmeta.Episodes(DATA, way=3, shot=2, query=4, steps=5, tasks_per_step=3, seed=2)
    score = kmeta.evaluate(identity(), episodes, verbose=0)
    hits = []
    for (support, query_x), query_y in episodes:
        for x, y, query, truth in zip(*support, query_x, query_y, strict=True):
            centres = np.stack([x[y[:, k] == 1].mean(0) for k in range(3)])
            nearest = ((query[:, None] - centres) ** 2).sum(-1).argmin(-1)
            hits.append(np.mean(nearest == truth))
    assert score.accuracy == pytest.approx(np.mean(hits))
    assert score.interval == pytest.approx(1.96 * np.std(hits, ddof=1) / np.sqrt(15))
    assert score.episodes == 15
    assert score.manifest == episodes.manifest()
    assert str(score).endswith("(95 % interval, 15 episodes, bn_mode=running)")


def test_the_manifest_tells_episodes_apart():
    one = [
        kmeta.Episodes(DATA, way=3, shot=1, query=2, steps=4, seed=s).manifest() for s in (1, 1, 2)
    ]
    assert one[0] == one[1]
    assert one[0]["episodes_sha256"] != one[2]["episodes_sha256"]


@pytest.mark.parametrize("labels", ["one_hot", "strings"])
def test_sequences_are_scored_instance_by_instance(labels):
    learner = kmeta.MemoryAugmentedNetwork(
        keras.layers.Identity(), way=3, cell=keras.layers.LSTMCell(5), labels=labels
    )
    episodes = kmeta.data.SequenceEpisodes(
        DATA, way=3, instances=4, tasks_per_step=5, steps=2, labels=labels
    )
    score = kmeta.evaluate(learner, episodes, verbose=0)
    hits = [[] for _ in range(4)]
    for given, y in episodes:
        answers = learner(given).numpy().argmax(-1)
        for answer, truth in zip(answers, y, strict=True):
            seen = {}
            of_task = [[] for _ in range(4)]
            for guess, label in zip(answer.tolist(), truth.tolist(), strict=True):
                number = seen[str(label)] = seen.get(str(label), -1) + 1
                of_task[number].append(guess == label)
            for number in range(4):
                hits[number].append(np.mean(of_task[number]))
    for (accuracy, interval), found in zip(score.instances, hits, strict=True):
        assert accuracy == pytest.approx(np.mean(found))
        assert interval == pytest.approx(1.96 * np.std(found, ddof=1) / np.sqrt(10))
    assert (score.accuracy, score.interval) == score.instances[-1]
    assert score.episodes == 10
    assert score.manifest == episodes.manifest()


@pytest.mark.parametrize(("mine", "theirs"), [("one_hot", "strings"), ("strings", "one_hot")])
def test_the_other_kind_of_labels_is_refused(mine, theirs):
    """Both show 25 numbers."""
    data = kmeta.data.from_arrays(np.zeros((50, 4), "float32"), np.arange(50) % 25)
    learner = kmeta.MemoryAugmentedNetwork(
        keras.layers.Identity(), way=25, cell=keras.layers.LSTMCell(5), labels=mine
    )
    episodes = kmeta.data.SequenceEpisodes(data, way=25, instances=2, steps=1, labels=theirs)
    with pytest.raises(ValueError, match=f"predicts labels='{mine}'.*with labels='{theirs}'"):
        kmeta.evaluate(learner, episodes, verbose=0)


@pytest.mark.parametrize(
    ("learner", "episodes", "message"),
    [
        (keras.layers.Identity(), None, "`learner` must be a kmeta learner. Received: Identity"),
        (identity(), [1, 2], "`episodes` must be kmeta.Episodes. Received: list"),
        (
            identity(),
            kmeta.data.SequenceEpisodes(DATA, way=3, instances=2, steps=1),
            "PrototypicalNetwork takes items with Episode. Received: `episodes` with Sequence",
        ),
        (
            kmeta.MemoryAugmentedNetwork(keras.layers.Identity(), way=4),
            kmeta.data.SequenceEpisodes(DATA, way=3, instances=2, steps=1),
            "takes labels of 4 numbers.* Received: `episodes` whose labels have 3",
        ),
        (
            kmeta.MAML(keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])),
            kmeta.Episodes(DATA, way=3, shot=1, query=2, steps=1),
            "network predicts 5 classes, but the support set has 3",
        ),
    ],
)
def test_bad_arguments(learner, episodes, message):
    with pytest.raises(ValueError, match=message):
        kmeta.evaluate(learner, episodes, verbose=0)
