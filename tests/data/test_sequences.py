import numpy as np
import pytest

import kmeta
from kmeta.data import SequenceEpisodes
from kmeta.data.distortions import draw_turn_and_shift

CLASSES, EACH = 12, 6
# the one pixel of an image says which image it is
IMAGES = np.tile(np.arange(CLASSES * EACH, dtype="uint8")[:, None, None, None], (1, 4, 4, 1))
DATA = kmeta.data.from_arrays(IMAGES, np.arange(CLASSES).repeat(EACH))


def episodes(**options):
    settings = {"way": 4, "instances": 5, "tasks_per_step": 50, "steps": 2, "seed": 1}
    return SequenceEpisodes(DATA, **{**settings, **options})


def drawn(item):
    """Numbers of the images in a sequence."""
    return np.round(item.x[:, :, 0, 0, 0] * 255).astype(int)


def test_sequences_hold_every_class_equally_often_and_no_image_twice():
    item, y = episodes()[0]
    assert item.x.shape == (50, 20, 4, 4, 1) and y.shape == (50, 20) and y.dtype == np.int32
    for images, labels in zip(drawn(item), y, strict=True):
        assert len(set(images)) == 20
        classes = [set(images[labels == label] // EACH) for label in range(4)]
        assert all(len(found) == 1 for found in classes) and len(set.union(*classes)) == 4
        assert np.bincount(labels).tolist() == [5] * 4


def test_labels_come_one_step_late():
    item, y = episodes()[0]
    assert (item.previous_y[:, 0] == 0).all()
    np.testing.assert_array_equal(item.previous_y[:, 1:], np.eye(4)[y[:, :-1]])


def test_order_classes_and_labels_are_random():
    item, y = episodes(tasks_per_step=3000)[0]
    classes = drawn(item) // EACH
    for place in (0, 7, 19):
        np.testing.assert_allclose(np.bincount(y[:, place]) / 3000, 0.25, atol=0.04)
        np.testing.assert_allclose(np.bincount(classes[:, place]) / 3000, 1 / 12, atol=0.025)
    assert abs(np.mean(y[:, 0] == y[:, 1]) - 4 / 19) < 0.03
    same_label = np.bincount(y[classes[:, 0] == 3, 0]) / np.sum(classes[:, 0] == 3)
    np.testing.assert_allclose(same_label, 0.25, atol=0.12)  # a class has no label of its own


def test_string_labels_are_different_strings():
    item, spelled = episodes(labels="strings")[0]
    assert spelled.shape == (50, 20, 5) and spelled.min() == 0 and spelled.max() == 4
    classes = drawn(item) // EACH
    numbers = spelled @ 5 ** np.arange(5)
    for found, number in zip(classes, numbers, strict=True):
        assert len(set(zip(found.tolist(), number.tolist(), strict=True))) == len(set(number)) == 4
    shown = item.previous_y.reshape(50, 20, 5, 5)
    assert (shown[:, 0] == 0).all()
    np.testing.assert_array_equal(shown[:, 1:], np.eye(5)[spelled[:, :-1]])
    assert len(set(numbers.ravel().tolist())) > 150  # of 200 drawn from 3125


def test_tasks_depend_on_seed_and_number_alone():
    first, again = episodes(), episodes(tasks_per_step=25, steps=4)
    (x, previous), y = first[1]
    (x2, previous2), y2 = again[2]
    for a, b in ((x[:25], x2), (previous[:25], previous2), (y[:25], y2)):
        np.testing.assert_array_equal(a, b)
    assert (episodes(seed=2)[0][1] != first[0][1]).any()
    first.epoch = 1
    assert (first[0][1] != episodes()[0][1]).any()
    assert first.manifest()["labels"] == "one_hot"
    assert episodes(labels="strings").manifest()["labels"] == "strings"


def test_rotations_make_four_classes_of_one():
    item, y = episodes(rotations=True, way=20, instances=2)[0]
    classes = [set(zip(a // EACH, b, strict=True)) for a, b in zip(drawn(item), y, strict=True)]
    assert all(len(pairs) == 20 for pairs in classes)  # from 12 drawn classes


def test_distortions_turn_and_shift():
    rng = np.random.default_rng(0)
    numbers = rng.random((20000, 3))
    affine = draw_turn_and_shift(numbers)
    assert abs(np.abs(affine.angle).max() - 11.25) < 0.01 and abs(affine.angle.mean()) < 0.2
    assert abs(np.abs(affine.shift).max() * 105 - 10) < 0.01
    assert (affine.shear == 0).all() and (affine.scale == 1).all()
    pictures = rng.integers(0, 256, (40, 9, 9, 1)).astype("uint8")
    data = kmeta.data.from_arrays(pictures, np.arange(40) % 8)
    plain, moved = (
        SequenceEpisodes(data, way=3, instances=2, steps=1, distortions=on)[0]
        for on in (False, True)
    )
    assert np.abs(plain[0].x - moved[0].x).max() > 0.1
    np.testing.assert_array_equal(plain[1], moved[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instances": 0}, "`instances` must be a positive integer. Received: instances=0"),
        ({"instances": 7}, "has 6 images, but shot 7 and query 0 need 7"),
        ({"way": 13}, "`way` must be at most the number of classes, which is 12"),
        ({"labels": "text"}, "`labels` must be one of"),
        ({"distortions": 1}, "`distortions` must be True or False. Received: distortions=1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        episodes(**options)


def test_distortions_need_images():
    data = kmeta.data.from_arrays(np.zeros((8, 3), "float32"), np.arange(8) % 4)
    with pytest.raises(ValueError, match="`distortions` needs images"):
        SequenceEpisodes(data, way=2, instances=1, distortions=True)
