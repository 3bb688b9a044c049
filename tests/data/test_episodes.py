import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import kmeta
from kmeta.data.dataset import Dataset, from_arrays
from kmeta.data.distortions import distort, draw_affine
from kmeta.data.episodes import Episodes
from kmeta.data.sampler import random_rows


def arrays(item):
    (support, query_x), query_y = item
    return [support.x, support.y, query_x, query_y]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(arrays(first), arrays(second), strict=True))


def sources(dataset, pictures, turn=0):
    """Where pictures `[n, h, w, c]` in [0, 1] come from, found by their pixels; -1 if nowhere."""
    known = {np.rot90(image, turn).tobytes(): i for i, image in enumerate(dataset.images)}
    pixels = np.round(pictures * 255).astype(np.uint8)
    return np.array([known.get(picture.tobytes(), -1) for picture in pixels])


def test_form(tiny):
    episodes = kmeta.Episodes(tiny, way=4, shot=2, query=3, tasks_per_step=5, steps=7)
    (support, query_x), query_y = episodes[0]
    assert isinstance(episodes[0][0], kmeta.Episode)
    assert isinstance(support, kmeta.Support)
    assert (support.x.shape, support.x.dtype) == ((5, 8, 6, 6, 1), np.float32)
    assert (support.y.shape, support.y.dtype) == ((5, 8, 4), np.float32)
    assert (query_x.shape, query_x.dtype) == ((5, 12, 6, 6, 1), np.float32)
    assert (query_y.shape, query_y.dtype) == ((5, 12), np.int32)
    assert len(episodes) == 7


def test_pictures_come_from_the_classes_that_their_labels_name(tiny):
    episodes = Episodes(tiny, way=4, shot=2, query=3, tasks_per_step=20)
    (support, query_x), query_y = episodes[3]
    names = episodes.class_names_of(3)
    for task in range(20):
        there = sources(tiny, support.x[task])
        asked = sources(tiny, query_x[task])
        assert min(there.min(), asked.min()) >= 0
        assert len({*there, *asked}) == 8 + 12, "a query is in the support"
        labels = support.y[task].argmax(axis=1)
        np.testing.assert_array_equal(support.y[task].sum(axis=1), 1)
        for positions, labelled in ((there, labels), (asked, query_y[task])):
            found = [tiny.class_names[tiny.labels[i]] for i in positions]
            assert found == [names[task][label] for label in labelled]


def test_bytes_become_0_to_1_exactly_and_floats_stay():
    images = np.repeat([0, 51, 255], 4).astype(np.uint8).reshape(12, 1, 1, 1)
    data = from_arrays(images, np.repeat([0, 1, 2], 4))
    values = np.unique(Episodes(data, way=3, query=3)[0][0].query_x)
    assert values.tolist() == [0, np.float32(0.2), 1]
    features = np.random.default_rng(0).normal(5, 3, (12, 7)).astype(np.float32)
    (support, query_x), _ = Episodes(from_arrays(features, np.repeat([0, 1, 2], 4)), 3, 1, 3)[0]
    drawn = np.concatenate([support.x, query_x], axis=1)[0]
    np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(features, axis=0))


def test_the_data_are_not_changed(tiny):
    before = tiny.images.copy()
    for _ in Episodes(tiny, shot=(1, 3), query=2, rotations=True, tasks_per_step=4, steps=5):
        pass
    np.testing.assert_array_equal(tiny.images, before)


def test_rotations_are_those_of_numpy(tiny):
    episodes = Episodes(tiny, way=6, shot=1, query=2, tasks_per_step=30, rotations=True)
    (support, query_x), query_y = episodes[0]
    seen = set()
    for task, names in enumerate(episodes.class_names_of(0)):
        for label, name in enumerate(names):
            name, _, degrees = name.partition("@")
            turn = int(degrees or 0) // 90
            seen.add(turn)
            pictures = np.concatenate(
                [
                    support.x[task][support.y[task, :, label] == 1],
                    query_x[task][query_y[task] == label],
                ]
            )
            found = sources(tiny, pictures, turn)
            assert len(found) == 3
            assert [tiny.class_names[tiny.labels[i]] for i in found] == [name] * 3
    assert seen == {0, 1, 2, 3}
    assert (sources(tiny, Episodes(tiny, query=2, tasks_per_step=30)[0][0].query_x[0]) >= 0).all()


def test_unequal_shots_are_padded_with_zeros(tiny):
    images = np.maximum(tiny.images, 1)
    data = Dataset(images, tiny.labels, tiny.class_names)
    episodes = Episodes(data, way=3, shot=(1, 4), query=2, tasks_per_step=40)
    (support, _), _ = episodes[0]
    assert support.y.shape == (40, 12, 3)
    empty = support.y.sum(axis=2) == 0
    np.testing.assert_array_equal(support.x.reshape(40, 12, -1).max(axis=2) == 0, empty)
    shots = support.y.sum(axis=1)
    assert (shots.min(), shots.max()) == (1, 4)
    assert episodes.shot == (1, 4)
    full = Episodes(data, way=3, shot=4, query=2, tasks_per_step=40)[0][0].support
    assert (full.y.sum(axis=1) == 4).all()


def test_no_padding_without_a_range(tiny):
    assert Episodes(tiny, shot=np.int64(3), query=2).shot == 3
    assert (Episodes(tiny, shot=3, query=2)[0][0].support.y.sum(axis=2) == 1).all()


def test_a_later_epoch_has_other_tasks_and_can_be_resumed(tiny):
    episodes = Episodes(tiny, query=2, steps=3, tasks_per_step=2)
    first = list(episodes)
    episodes.on_epoch_begin()
    episodes.on_epoch_end()
    assert episodes.epoch == 1
    second = list(episodes)
    assert not any(equal(a, b) for a in first for b in second)
    again = Episodes(tiny, query=2, steps=3, tasks_per_step=2)
    again.epoch = 1
    assert all(equal(a, b) for a, b in zip(second, again, strict=True))
    again.epoch = 0
    assert all(equal(a, b) for a, b in zip(first, again, strict=True))


def test_how_tasks_are_numbered(tiny):
    one_by_one = Episodes(tiny, query=2, steps=24)
    episodes = Episodes(tiny, query=2, steps=3, tasks_per_step=4)
    episodes.epoch = 1
    for index in range(3):
        for task in range(4):
            alone = arrays(one_by_one[12 + 4 * index + task])
            for whole, single in zip(arrays(episodes[index]), alone, strict=True):
                np.testing.assert_array_equal(whole[task], single[0])


def test_seeds_differ(tiny):
    assert equal(Episodes(tiny, query=2, seed=3)[0], Episodes(tiny, query=2, seed=3)[0])
    assert not equal(Episodes(tiny, query=2, seed=3)[0], Episodes(tiny, query=2, seed=4)[0])


def test_indexing_is_that_of_a_list(tiny):
    episodes = Episodes(tiny, query=2, steps=3)
    assert equal(episodes[-1], episodes[2])
    assert equal(episodes[np.int64(1)], episodes[1])
    assert len(list(episodes)) == 3
    for index in (3, -4):
        with pytest.raises(IndexError, match=rf"Index must be in 0\.\.2. Received: {index}"):
            episodes[index]
        with pytest.raises(IndexError):
            episodes.class_names_of(index)


def test_manifest(tiny):
    options = {"way": 4, "shot": 2, "query": 3, "tasks_per_step": 2, "steps": 3, "seed": 7}
    manifest = Episodes(tiny, **options).manifest()
    digest = manifest.pop("episodes_sha256")
    assert manifest == {
        "dataset": "tiny",
        "data_sha256": tiny.sha256,
        "rotations": False,
        "distortions": False,
        **options,
    }
    moved = Episodes(tiny, **options)
    moved.epoch = 5
    assert moved.manifest()["episodes_sha256"] == digest
    assert Episodes(tiny, **options, workers=2).manifest()["episodes_sha256"] == digest
    changes = {
        "way": 5,
        "shot": 1,
        "query": 2,
        "tasks_per_step": 1,
        "steps": 4,
        "seed": 8,
        "rotations": True,
    }
    others = {
        Episodes(tiny, **{**options, key: value}).manifest()["episodes_sha256"]
        for key, value in changes.items()
    }
    assert len(others | {digest}) == 8
    assert Episodes(tiny, shot=(1, 2), query=3).manifest()["shot"] == [1, 2]


def test_as_dataset_gives_the_same_elements_again_and_again(tiny):
    episodes = Episodes(tiny, way=3, query=2, steps=4, tasks_per_step=2)
    data = episodes.as_dataset()
    assert data.cardinality() == 4
    ((support, query_x), query_y) = data.element_spec
    assert isinstance(data.element_spec[0], kmeta.Episode)
    assert (support.x.shape, support.y.shape) == ((2, 3, 6, 6, 1), (2, 3, 3))
    assert (query_x.shape, query_y.shape) == ((2, 6, 6, 6, 1), (2, 6))
    assert (query_x.dtype, query_y.dtype) == (tf.float32, tf.int32)
    for _ in range(2):
        passed = list(data.as_numpy_iterator())
        assert all(equal(a, b) for a, b in zip(passed, episodes, strict=True))
    episodes.epoch = 1
    assert equal(next(data.as_numpy_iterator()), episodes[0])


class Counting(keras.Model):
    """A model on the query pictures alone."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, episode, training=None):
        shape = keras.ops.shape(episode.query_x)
        return self.dense(keras.ops.reshape(episode.query_x, (shape[0], shape[1], 36)))


class Noting(Episodes):
    """Notes which tasks it was asked for."""

    asked: list

    def draw_tasks(self, first):
        self.asked.append(first)
        return super().draw_tasks(first)


@pytest.mark.parametrize("options", [{}, {"workers": 2, "max_queue_size": 3}])
def test_stock_fit_meets_fresh_tasks_in_every_epoch(tiny, options):
    model = Counting()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    episodes = Noting(tiny, way=3, query=2, steps=3, tasks_per_step=2, **options)
    episodes.asked = []
    model.fit(episodes, epochs=3, verbose=0, shuffle=False)
    probed = 2  # Keras looks at the first two to learn their shapes
    assert sorted(episodes.asked[probed:]) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert episodes.epoch == 3
    episodes.asked.clear()
    model.fit(episodes, epochs=1, verbose=0, shuffle=False)
    assert sorted(episodes.asked[probed:]) == [18, 20, 22]
    assert episodes.epoch == 4


def test_arguments_of_pydataset_pass_through(tiny):
    episodes = Episodes(tiny, query=2, workers=3, use_multiprocessing=True, max_queue_size=7)
    assert isinstance(episodes, keras.utils.PyDataset)
    assert (episodes.workers, episodes.use_multiprocessing) == (3, True)
    assert episodes.max_queue_size == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"way": 1}, "`way` must be at least 2"),
        ({"way": 13}, "`way` must be at most the number of classes, which is 12. .*way=13"),
        ({"query": 0}, "`query` must be a positive integer. Received: query=0"),
        ({"shot": 5, "query": 4}, "Class 'class00' has 8 images, but shot 5 and query 4 need 9"),
        ({"steps": 0}, "`steps` must be a positive integer.*steps=0"),
        ({"steps": 2.5}, r"`steps` must be a positive integer.*2\.5"),
        ({"tasks_per_step": 0}, "`tasks_per_step` must be a positive integer"),
        ({"tasks_per_step": True}, "`tasks_per_step` must be a positive integer.*True"),
        ({"seed": "a"}, "`seed` must be an integer.*'a'"),
        ({"rotations": "yes"}, "`rotations` must be True or False.*'yes'"),
    ],
)
def test_refuses(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        Episodes(tiny, **{"query": 2, **options})


def test_refuses_what_is_no_dataset(tiny):
    with pytest.raises(ValueError, match=r"`dataset` must be a kmeta.data.Dataset.*ndarray"):
        Episodes(tiny.images)


@pytest.mark.parametrize("shape", [(4, 5, 1), (16,), (4, 4)])
def test_refuses_to_rotate_what_is_not_square(shape):
    data = Dataset(np.zeros((24, *shape), np.uint8), np.arange(24) % 6, tuple("abcdef"))
    Episodes(data, query=2)
    with pytest.raises(ValueError, match="`rotations` needs square images"):
        Episodes(data, query=2, rotations=True)


def test_worker_processes_can_be_sent_a_copy(tiny):
    episodes = Episodes(tiny, query=2, steps=3, rotations=True, workers=2)
    episodes.epoch = 4
    copy = pickle.loads(pickle.dumps(episodes))
    assert copy.epoch == 4
    assert equal(copy[1], episodes[1])
    assert copy.manifest() == episodes.manifest()


def test_distortions_move_every_image_by_its_own_published_map():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 9, 9, 1), dtype=np.uint8)
    data = from_arrays(images, np.repeat(np.arange(3), 4))
    options = {"way": 2, "shot": 1, "query": 2, "tasks_per_step": 2, "seed": 4, "rotations": True}
    plain = Episodes(data, **options)[1]
    episodes = Episodes(data, distortions=True, **options)
    (support, query_x), query_y = episodes[1]
    moved, still = (
        np.concatenate([e.support.x, e.query_x], axis=1) for e in (episodes[1][0], plain[0])
    )
    numbers = random_rows(4, 2, 2, 14 * 6, 1).reshape(-1, 14)
    expected = distort(still.reshape(-1, 9, 9, 1), draw_affine(numbers)).reshape(still.shape)
    np.testing.assert_array_equal(moved, expected)
    assert np.abs(moved - still).max() > 0.05
    np.testing.assert_array_equal(query_y, plain[1])
    np.testing.assert_array_equal(support.y, plain[0].support.y)
    np.testing.assert_array_equal(
        query_x, Episodes(data, distortions=True, **options)[1][0].query_x
    )
    assert episodes.manifest()["distortions"] is True
    with pytest.raises(ValueError, match="`distortions` must be True or False. Received"):
        Episodes(data, way=2, query=1, distortions="yes")
