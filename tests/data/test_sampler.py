import os
import subprocess
import sys

import numpy as np
import pytest

from kmeta.data.sampler import Sampler, pick, random_rows

LABELS = np.random.default_rng(5).permutation(np.repeat(np.arange(7), [9, 6, 8, 12, 7, 6, 10]))


def sampler(**changes):
    return Sampler(LABELS, **{"way": 4, "shot": 2, "query": 3, "seed": 1, **changes})


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_task_holds_different_classes_and_images_that_belong_to_them():
    draw = sampler().draw(0, 200)
    assert draw.classes.shape == (200, 4)
    for task in range(200):
        assert len(set(draw.classes[task])) == 4
        support, query = draw.support[task], draw.query[task]
        assert len({*support, *query}) == 4 * 5, "an image occurs twice in a task"
        np.testing.assert_array_equal(
            LABELS[support], draw.classes[task][draw.support_labels[task]]
        )
        np.testing.assert_array_equal(LABELS[query], draw.classes[task][draw.query_labels[task]])
        assert np.bincount(draw.support_labels[task]).tolist() == [2] * 4
        assert np.bincount(draw.query_labels[task]).tolist() == [3] * 4


def test_all_images_of_a_class_can_be_used():
    draw = Sampler(np.repeat([0, 1], 5), way=2, shot=2, query=3).draw(0, 20)
    drawn = np.sort(np.concatenate([draw.support, draw.query], axis=1), axis=1)
    np.testing.assert_array_equal(drawn, np.tile(np.arange(10), (20, 1)))


def test_a_task_depends_on_seed_and_number_alone():
    many = sampler().draw(0, 12)
    for number in (7, 0, 11):
        assert equal(sampler().draw(number), [array[number : number + 1] for array in many])
    assert not equal(sampler().draw(0, 12), sampler(seed=2).draw(0, 12))
    assert not equal(sampler().draw(0), sampler().draw(1))
    assert not equal(sampler(seed=1).draw(0), sampler(seed=0).draw(1))


def test_another_process_draws_the_same():
    code = (
        "import numpy as np\nfrom kmeta.data.sampler import Sampler\n"
        "draw = Sampler(np.arange(90) % 9, 5, (1, 3), 4, seed=3, rotations=True).draw(40, 2)\n"
        "print([array.tolist() for array in draw])"
    )
    run = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    draw = Sampler(np.arange(90) % 9, 5, (1, 3), 4, seed=3, rotations=True).draw(40, 2)
    assert run[0] == run[1] == f"{[array.tolist() for array in draw]}\n"


def test_draws_do_not_change_between_releases():
    draw = Sampler(np.arange(40) % 8, way=3, shot=1, query=1, seed=0).draw(0)
    assert [array[0].tolist() for array in draw] == [
        [5, 1, 0],
        [17, 32, 29],
        [1, 2, 0],
        [21, 0, 33],
        [0, 2, 1],
    ]


def test_classes_labels_images_and_places_are_uniform():
    tasks = 6000
    draw = Sampler(np.arange(60) % 6, way=3, shot=1, query=2, seed=9).draw(0, tasks)
    label_of_class = np.zeros((3, 6))
    for label in range(3):
        label_of_class[label] = np.bincount(draw.classes[:, label], minlength=6)
    assert chi_square(label_of_class) < 41  # 99.9 % point at 17 degrees of freedom
    assert chi_square(np.bincount(draw.support.ravel(), minlength=60)) < 99  # at 59
    assert chi_square(np.bincount(draw.query.ravel(), minlength=60)) < 99
    for labels in (draw.support_labels, draw.query_labels):
        for place in range(labels.shape[1]):
            assert chi_square(np.bincount(labels[:, place], minlength=3)) < 13.8  # at 2


def chi_square(counts):
    return float(((counts - counts.mean()) ** 2 / counts.mean()).sum())


def test_pairs_are_uniform():
    first, second = pick(random_rows(4, 0, 12000, 2), np.full(12000, 4)).T
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (first, second), 1)
    assert np.diag(pairs).sum() == 0
    assert chi_square(pairs[~np.eye(4, dtype=bool)]) < 31.3  # 99.9 % point at 11


def test_pick_skips_what_was_drawn():
    numbers = np.array([[0.0, 0.0, 0.0], [0.999, 0.999, 0.999], [0.5, 0.5, 0.5]])
    assert pick(numbers, np.array([3, 5, 4])).tolist() == [[0, 1, 2], [4, 3, 2], [2, 1, 3]]


def test_pick_is_taking_from_a_list():
    numbers, counts = np.random.default_rng(3).random((40, 5)), np.arange(5, 45)
    for row, count, drawn in zip(numbers, counts, pick(numbers, counts), strict=True):
        left = list(range(count))
        assert drawn.tolist() == [left.pop(int(number * len(left))) for number in row]


def test_rotations_make_four_classes_of_one():
    plain, turned = sampler(), sampler(rotations=True)
    assert (plain.classes, turned.classes) == (7, 28)
    draw = turned.draw(0, 500)
    assert chi_square(np.bincount(draw.classes.ravel(), minlength=28)) < 55  # 99.9 % at 27
    np.testing.assert_array_equal(
        LABELS[draw.query], np.take_along_axis(draw.classes // 4, draw.query_labels, 1)
    )
    character = np.sort(draw.classes // 4, axis=1)
    assert (character[:, 1:] == character[:, :-1]).any(), "two rotations of a character can meet"
    assert Sampler(LABELS, way=28, shot=1, query=1, rotations=True).draw(0).classes.max() == 27


def test_a_shot_range_is_drawn_for_each_class_and_padded():
    draw = sampler(shot=(1, 4), query=2).draw(0, 2000)
    assert draw.support.shape == (2000, 16)
    np.testing.assert_array_equal(draw.support < 0, draw.support_labels < 0)
    shots = np.stack([(draw.support_labels == label).sum(1) for label in range(4)], 1)
    assert (shots.min(), shots.max()) == (1, 4)
    assert chi_square(np.bincount(shots.ravel())[1:]) < 16.3  # 99.9 % at 3
    assert (shots != shots[:, :1]).any(), "classes of one task differ"
    task, place = np.nonzero(draw.support >= 0)
    classes = draw.classes[task, draw.support_labels[task, place]]
    np.testing.assert_array_equal(LABELS[draw.support[task, place]], classes)
    for row in range(50):
        drawn = [*draw.support[row][draw.support[row] >= 0], *draw.query[row]]
        assert len(set(drawn)) == len(drawn)


def test_a_range_of_one_number_is_that_shot():
    assert equal(sampler(shot=(2, 2)).draw(3, 4), sampler(shot=2).draw(3, 4))


def test_any_order_of_the_data_will_do():
    labels = np.repeat(np.arange(5), 4)
    order = np.random.default_rng(0).permutation(20)
    draw = Sampler(labels[order], way=5, shot=1, query=1).draw(0)
    np.testing.assert_array_equal(
        labels[order][draw.support[0]], draw.classes[0][draw.support_labels[0]]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"way": 1}, "`way` must be at least 2: with one class.*way=1"),
        ({"way": 0}, "`way` must be a positive integer.*way=0"),
        ({"way": 2.0}, r"`way` must be a positive integer.*way=2\.0"),
        ({"way": True}, "`way` must be a positive integer.*way=True"),
        ({"way": "5"}, "`way` must be a positive integer.*way='5'"),
        ({"way": 8}, "`way` must be at most the number of classes, which is 7. Received: way=8"),
        ({"way": 29, "rotations": True}, "which is 28, rotations counted. Received: way=29"),
        ({"shot": 0}, "`shot` must be a positive integer.*shot=0"),
        ({"shot": 1.5}, r"`shot` must be a positive integer.*1\.5"),
        ({"shot": (0, 2)}, "`shot` must be a positive integer.*shot=0"),
        ({"shot": (3, 2)}, r"`shot` must be a range \(low, high\) with low <= high.*\(3, 2\)"),
        ({"shot": (1, 2, 3)}, r"`shot` must be an integer or a range.*\(1, 2, 3\)"),
        ({"query": -1}, "`query` must be an integer of at least 0.*query=-1"),
        ({"query": False}, "`query` must be an integer.*query=False"),
        ({"seed": -1}, "`seed` must be an integer from 0.*seed=-1"),
        ({"seed": 2**32}, "`seed` must be an integer from 0 to 4294967295"),
        ({"seed": None}, "`seed` must be an integer.*None"),
        ({"seed": 0.5}, r"`seed` must be an integer.*0\.5"),
        ({"rotations": 1}, "`rotations` must be True or False.*1"),
        ({"shot": 2, "query": 5}, "Class 1 has 6 images, but shot 2 and query 5 need 7 .* 2 of 7"),
        (
            {"shot": (1, 4), "class_names": "abcdefg", "query": 3},
            "Class 'b' has 6 images, but shot 4 and",
        ),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        sampler(**changes)


def test_integers_of_numpy_are_integers():
    assert equal(sampler(way=np.int64(4), seed=np.uint8(1)).draw(0), sampler().draw(0))
