import numpy as np
import pytest

import kmeta
from kmeta.data import VerificationPairs
from kmeta.data.dataset import Dataset
from kmeta.data.distortions import distort, draw_affine


@pytest.fixture(scope="module")
def alphabets():
    """Groups of 2, 3 and 5 classes, 4 different pictures of each, 6 x 6 x 1."""
    names = [f"{a}/{i}" for a, size in (("A", 2), ("B", 3), ("C", 5)) for i in range(size)]
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 1), dtype=np.uint8)
    return Dataset(images, np.arange(40) % 10, tuple(names), "alphabets")


def drawn(data, pairs=6000, **options):
    """The `PairDraw`, with classes and groups of both images, of the first pairs."""
    source = VerificationPairs(data, **options)
    draw = source.draw(0, pairs)
    classes = [data.labels[where] for where in (draw.first, draw.second)]
    group_of = np.array([ord(name[0]) - ord("A") for name in data.class_names])
    return draw, *classes, *(group_of[c] for c in classes)


@pytest.mark.parametrize("rotations", [False, True])
@pytest.mark.parametrize("within_groups", [False, True])
def test_half_of_the_pairs_are_of_one_class(alphabets, rotations, within_groups):
    draw, a, b, *_ = drawn(alphabets, rotations=rotations, within_groups=within_groups)
    assert draw.same.sum() == 3000
    assert draw.same[:10].tolist() == [1, 0] * 5
    one_class = (a == b) & (draw.first_turn == draw.second_turn)
    np.testing.assert_array_equal(one_class, draw.same == 1)
    assert (draw.first != draw.second)[draw.same == 1].all()  # two different drawings


@pytest.mark.parametrize("rotations", [False, True])
def test_groups_and_classes_are_balanced(alphabets, rotations):
    draw, a, b, first_group, second_group = drawn(alphabets, rotations=rotations)
    for same in (0, 1):
        of_kind = draw.same == same
        np.testing.assert_array_equal(np.bincount(first_group[of_kind]), [1000] * 3)
        for group, size in enumerate((2, 3, 5)):
            inside = a[of_kind & (first_group == group)]
            counts = np.bincount(inside - inside.min())
            assert len(counts) == size
            np.testing.assert_allclose(counts, 1000 / size, rtol=0.2)
    other = draw.same == 0
    turns = 4 if rotations else 1
    for group, size in enumerate((2, 3, 5)):  # classes weigh 1/size of their group; not the first
        share = 1 / (size * turns)
        seconds = second_group[other & (first_group == group)]
        expected = np.full(3, 1 / (3 - share))
        expected[group] = (1 - share) / (3 - share)
        np.testing.assert_allclose(np.bincount(seconds) / 1000, expected, atol=0.05)
    inside = b[other & (second_group == 2) & (first_group != 2)]
    np.testing.assert_allclose(np.bincount(inside - 5) / len(inside), 0.2, atol=0.05)
    images = (
        np.bincount(draw.first, minlength=40) / np.bincount(a, minlength=10)[np.arange(40) % 10]
    )
    np.testing.assert_allclose(images, 0.25, atol=0.08)
    if rotations:
        np.testing.assert_allclose(np.bincount(draw.first_turn) / 6000, 0.25, atol=0.03)
        np.testing.assert_allclose(np.bincount(draw.second_turn) / 6000, 0.25, atol=0.03)


def test_within_groups_pairs_classes_of_one_group(alphabets):
    draw, a, b, first_group, second_group = drawn(alphabets, within_groups=True)
    np.testing.assert_array_equal(first_group, second_group)
    five = (draw.same == 0) & (first_group == 2)
    table = np.zeros((5, 5))
    np.add.at(table, (a[five] - 5, b[five] - 5), 1)
    assert (np.diag(table) == 0).all()
    np.testing.assert_allclose(table[~np.eye(5, dtype=bool)], 50, atol=25)
    *_, first_group, second_group = drawn(alphabets)
    assert (first_group != second_group).any()


def test_classes_without_groups(tiny):
    draw = VerificationPairs(tiny, within_groups=True).draw(0, 2400)
    classes = tiny.labels[draw.first]
    np.testing.assert_allclose(np.bincount(classes), 200, rtol=0.3)
    assert len(VerificationPairs(tiny).groups) == 1


def test_a_group_of_one_class_pairs_with_others():
    names = ("A/0", "B/0", "B/1")
    data = Dataset(np.zeros((6, 2, 2, 1), np.uint8), np.arange(6) % 3, names)
    draw, a, b, *_ = drawn(data)
    assert (a == b).sum() == 3000
    seconds = b[(draw.same == 0) & (a == 0)]
    np.testing.assert_allclose(
        np.bincount(seconds, minlength=3) / len(seconds), [0, 0.5, 0.5], atol=0.05
    )


def test_pictures_are_those_drawn(alphabets):
    source = VerificationPairs(alphabets, batch_size=12, steps=3, rotations=True)
    draw = source.draw(12, 12)
    pairs, same = source[1]
    assert isinstance(pairs, kmeta.Pairs)
    for images, where, turns in (
        (pairs.first, draw.first, draw.first_turn),
        (pairs.second, draw.second, draw.second_turn),
    ):
        expected = [
            np.rot90(alphabets.images[i], t) / 255 for i, t in zip(where, turns, strict=True)
        ]
        np.testing.assert_allclose(images, expected, atol=1e-6)
        assert images.dtype == np.float32
    assert same.dtype == np.int32
    np.testing.assert_array_equal(same, draw.same)
    plain = VerificationPairs(alphabets, batch_size=12)
    np.testing.assert_array_equal(
        plain[1][0].first * 255, alphabets.images[plain.draw(12, 12).first]
    )


def test_distortions_differ_from_image_to_image(alphabets):
    source = VerificationPairs(alphabets, batch_size=50, distortions=True)
    plain = VerificationPairs(alphabets, batch_size=50)
    draw = source.draw(0, 50)
    for side, where in enumerate((draw.first, draw.second)):
        affine = draw_affine(draw.numbers[:, 14 * side : 14 * (side + 1)])
        assert len(np.unique(affine.angle)) > 15
        images = (alphabets.images[where] / np.float32(255)).astype("float32")
        np.testing.assert_allclose(source[0][0][side], distort(images, affine), atol=1e-6)
    assert not np.allclose(*draw_affine(draw.numbers.reshape(100, 14)).angle.reshape(50, 2).T)
    assert plain.draw(0, 50).numbers.shape == (50, 0)


def test_floats_are_left_as_they_are():
    images = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    data = Dataset(images, np.arange(8) % 2, ("a", "b"))
    source = VerificationPairs(data, batch_size=10)
    np.testing.assert_array_equal(source[0][0].second, images[source.draw(0, 10).second])


def test_pairs_repeat_and_go_on(alphabets):
    options = {"batch_size": 10, "steps": 4, "distortions": True, "rotations": True}
    source, again = (VerificationPairs(alphabets, seed=5, **options) for _ in range(2))
    for a, b in zip(source[2][0], again[2][0], strict=True):
        np.testing.assert_array_equal(a, b)
    source.epoch = 1
    for part, whole in zip(source.draw(10, 20), again.draw(0, 40), strict=True):
        np.testing.assert_array_equal(part, whole[10:30])  # pair by pair, whatever the batch
    np.testing.assert_array_equal(source[0][0].first, again.draw_tasks(40)[0].first)
    assert not np.array_equal(source[0][0].first, again[0][0].first)
    assert not np.array_equal(
        VerificationPairs(alphabets, seed=6).draw(0, 50).first,
        VerificationPairs(alphabets, seed=5).draw(0, 50).first,
    )
    assert len(source) == 4 and source[0][1].shape == (10,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 0},
            "`batch_size` must be a positive integer. Received: batch_size=0",
        ),
        ({"steps": 0}, "`steps` must be a positive integer"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"distortions": 1}, "`distortions` must be True or False. Received: distortions=1"),
        ({"rotations": "no"}, "`rotations` must be True or False"),
        ({"within_groups": None}, "`within_groups` must be True or False"),
        ({"dataset": [1]}, "`dataset` must be a kmeta.data.Dataset.* Received: list"),
    ],
)
def test_bad_arguments(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        VerificationPairs(**{"dataset": tiny, **options})


@pytest.mark.parametrize(
    ("shape", "labels", "names", "options", "message"),
    [
        ((4, 2, 2, 1), [0, 0, 0, 0], ("a",), {}, "at least 2 classes. Received: 1"),
        ((4, 2, 2, 1), [0, 0, 0, 1], ("a", "b"), {}, "at least 2 images.* Received: 1 of 'b'"),
        (
            (4, 2, 2, 1), [0, 0, 1, 1], ("A/a", "B/b"), {"within_groups": True},
            "`within_groups` needs at least 2 classes in every group. Received: 1 in 'A'",
        ),
        ((4, 2, 3, 1), [0, 0, 1, 1], ("a", "b"), {"rotations": True}, "`rotations` needs square"),
        ((4, 2), [0, 0, 1, 1], ("a", "b"), {"rotations": True}, "`rotations` needs square"),
        ((4, 2), [0, 0, 1, 1], ("a", "b"), {"distortions": True}, "`distortions` needs images"),
    ],
)  # fmt: skip
def test_data_that_do_not_fit(shape, labels, names, options, message):
    data = Dataset(np.zeros(shape, np.uint8), np.array(labels), names)
    with pytest.raises(ValueError, match=message):
        VerificationPairs(data, **options)


def test_rotations_make_up_for_a_group_of_one_class():
    data = Dataset(np.zeros((4, 2, 2, 1), np.uint8), np.array([0, 0, 1, 1]), ("A/a", "B/b"))
    draw = VerificationPairs(data, within_groups=True, rotations=True).draw(0, 100)
    different = draw.same == 0
    assert (draw.first_turn != draw.second_turn)[different].all()
