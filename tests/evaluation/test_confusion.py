import keras
import numpy as np
import pytest

import kmeta
from kmeta.evaluation.confusion import confusion_matrix, confusion_over_episodes

rng = np.random.default_rng(3)
# Classes c and d lie close together, so that they are confused.
CENTRES = np.array([0.0, 30.0, 60.0, 61.0])
DATA = kmeta.data.from_arrays(
    (CENTRES.repeat(10)[:, None] + rng.normal(size=(40, 1))).astype("float32"),
    np.array(list("abcd")).repeat(10),
)


def learner():
    return kmeta.PrototypicalNetwork(keras.layers.Identity())


def test_counts():
    found = confusion_matrix([[0, 0, 1], [2, 2, 2]], [[0, 1, 1], [2, 0, 2]], 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert confusion_matrix([0], [1], 4).shape == (4, 4)


@pytest.mark.parametrize("way", [4, 3])
def test_over_episodes_labels_become_classes(way):
    episodes = kmeta.Episodes(DATA, way=way, shot=1, query=3, tasks_per_step=2, steps=8, seed=1)
    episodes.epoch = 5
    matrix, names = confusion_over_episodes(learner(), episodes)
    assert names == tuple("abcd") and episodes.epoch == 5
    episodes.epoch = 0
    expected = np.zeros((4, 4), int)
    for index, ((support, query_x), query_y) in enumerate(episodes):
        for task, classes in enumerate(episodes.class_names_of(index)):
            for x, truth in zip(query_x[task, :, 0], query_y[task], strict=True):
                nearest = np.abs(support.x[task, :, 0] - x).argmin()
                answer = support.y[task, nearest].argmax()
                expected["abcd".index(classes[truth]), "abcd".index(classes[answer])] += 1
    assert matrix.tolist() == expected.tolist()
    assert matrix.sum() == 8 * 2 * 3 * way
    assert matrix[2, 3] > 5 and matrix[0, 1:].sum() == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`predictions` must have the shape of `labels`, \(2,\)"):
        confusion_matrix([0, 1], [0], 2)
    with pytest.raises(ValueError, match="`predictions` must hold integers in 0..1.* from 0 to 2"):
        confusion_matrix([0, 1], [0, 2], 2)
    with pytest.raises(ValueError, match="`labels` must hold integers in 0..1. Received: float64"):
        confusion_matrix([0.0, 1.0], [0, 1], 2)
    episodes = kmeta.Episodes(DATA, way=2, query=2)
    with pytest.raises(ValueError, match="`learner` must be a kmeta learner. Received: Identity"):
        confusion_over_episodes(keras.layers.Identity(), episodes)
    with pytest.raises(ValueError, match="without rotations. Received: list"):
        confusion_over_episodes(learner(), [1])
    images = kmeta.data.from_arrays(np.zeros((8, 3, 3, 1), "uint8"), np.arange(8) % 2)
    with pytest.raises(ValueError, match="Received: Episodes with rotations"):
        turned = kmeta.Episodes(images, way=2, query=2, rotations=True)
        confusion_over_episodes(learner(), turned)
