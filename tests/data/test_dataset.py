import numpy as np
import pytest

from kmeta.data.dataset import Dataset, from_arrays

X = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2, 1)


def test_counts_and_indices_follow_the_labels():
    data = Dataset(X, np.array([1, 0, 1, 2, 1, 0]), ("a", "b", "c"), "name")
    assert data.counts.tolist() == [2, 3, 1]
    assert [data.indices_of(label).tolist() for label in range(3)] == [[1, 5], [0, 2, 4], [3]]
    assert len(data) == 6
    assert repr(data) == "Dataset('name', 6 images of (2, 2, 1) uint8, 3 classes)"


def test_subset_renumbers_classes_by_name_and_keeps_each_image_with_its_class():
    data = Dataset(X, np.array([1, 0, 1, 2, 1, 0]), ("a", "b", "c"), "name")
    part = data.subset(["c", "a"])
    assert part.class_names == ("a", "c")
    assert part.labels.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(part.images, X[[1, 3, 5]])
    assert (part.name, data.subset([0], name="other").name) == ("name", "other")
    np.testing.assert_array_equal(data.subset([2, 0]).images, part.images)


@pytest.mark.parametrize("classes", [["d"], [3], [-1], ["a", "a"], [], [1.5]])
def test_subset_refuses(classes):
    with pytest.raises(ValueError, match="`classes` must .* Received"):
        Dataset(X, np.array([1, 0, 1, 2, 1, 0]), ("a", "b", "c")).subset(classes)


def test_sha256_tells_pixels_labels_and_names_apart():
    labels = np.array([0, 1, 0, 1, 0, 1])
    first = Dataset(X, labels, ("a", "b"))
    assert first.sha256 == Dataset(X.copy(), labels.copy(), ("a", "b"), "renamed").sha256
    others = [
        Dataset(X + np.uint8(1), labels, ("a", "b")),
        Dataset(X, 1 - labels, ("a", "b")),
        Dataset(X, labels, ("a", "c")),
        Dataset(X.astype(np.float32), labels, ("a", "b")),
    ]
    assert len({first.sha256, *(other.sha256 for other in others)}) == 5


def test_string_labels_become_classes_sorted_by_name():
    data = from_arrays(X, ["pear", "apple", "pear", "fig", "fig", "apple"])
    assert data.class_names == ("apple", "fig", "pear")
    assert data.labels.tolist() == [2, 0, 2, 1, 1, 0]
    assert data.name == "arrays"
    np.testing.assert_array_equal(data.images, X)


def test_integer_labels_without_names_keep_their_numeric_order():
    data = from_arrays(X, [10, 2, 10, 2, 33, 33])
    assert data.class_names == ("02", "10", "33")
    assert data.labels.tolist() == [1, 0, 1, 0, 2, 2]


def test_class_names_are_sorted_and_labels_go_with_them():
    data = from_arrays(X, [0, 1, 2, 0, 1, 2], class_names=["zebra", "ant", "cow"], name="zoo")
    assert data.class_names == ("ant", "cow", "zebra")
    assert data.labels.tolist() == [2, 0, 1, 2, 0, 1]
    assert data.name == "zoo"


def test_names_of_no_row_are_left_out():
    assert from_arrays(X, [0, 2] * 3, class_names=["a", "b", "c"]).class_names == ("a", "c")


def test_kinds_of_numbers():
    assert from_arrays(X / 255.0, [0] * 6).images.dtype == np.float32
    assert from_arrays(X.astype(np.float16), [0] * 6).images.dtype == np.float32
    assert from_arrays(X, [0] * 6).images.dtype == np.uint8
    assert from_arrays(X[..., 0], [0] * 6).images.shape == (6, 2, 2, 1)
    assert from_arrays(np.zeros((6, 5)), [0] * 6).images.shape == (6, 5)
    negative = -np.ones((6, 5), np.float32)
    np.testing.assert_array_equal(from_arrays(negative, [0] * 6).images, negative)


NAN = np.where(np.arange(6)[:, None] == 4, np.nan, np.zeros((6, 3)))


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (X, [0] * 5, {}, r"`y` must hold one label for each of the 6 rows.*shape \(5,\)"),
        (X, np.eye(6, dtype=int), {}, r"`y` must hold one label.*\(6, 6\)"),
        (X, [0.5] * 6, {}, "`y` must hold integers or strings.*float64"),
        (X, [True] * 6, {}, "`y` must hold integers or strings.*bool"),
        (X, [0, -1] * 3, {}, "`y` must not be negative.*-1"),
        (X, [0, 3] * 3, {"class_names": ["a", "b"]}, r"`y` must lie in 0\.\.1.*0 to 3"),
        (X, ["a", "d"] * 3, {"class_names": ["a", "b"]}, "`y` must hold names out of.*'d'"),
        (X, [0, 1] * 3, {"class_names": ["a", "a"]}, "`class_names` must name every class once"),
        (X.astype(int), [0] * 6, {}, "Images must be .*uint8 or floating.*int64"),
        (NAN, [0] * 6, {}, "Images must be finite.*row 4"),
        (X[:0], [], {}, r"Images must have the shape.*\(0, 2, 2, 1\)"),
        (np.zeros(6), [0] * 6, {}, r"Images must have the shape.*\(6,\)"),
        ([[1.0], [1.0, 2.0]], [0, 1], {}, "`x` must be an array"),
        (X, [0] * 6, {"name": 3}, "`name` must be a string.*3"),
    ],
)
def test_from_arrays_refuses(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(x, y, **options)


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        (X, np.arange(6) % 3, ("a", "c", "b"), "`class_names` must be sorted"),
        (X, np.arange(6) % 3, ("a", "a", "b"), "`class_names` must be sorted and name .* once"),
        (X, np.arange(6) % 3, (1, 2, 3), "`class_names` must be a tuple of at least one string"),
        (X, np.arange(6) % 3, "abc", "`class_names` must be a tuple of at least one string"),
        (X, np.arange(6) % 3, (), "`class_names` must be a tuple of at least one string"),
        (X, np.arange(6) % 3, ("a", "b"), r"`labels` must lie in 0\.\.1.* from 0 to 2"),
        (X, np.arange(6) % 3, ("a", "b", "c", "d"), "no image of class 'd'"),
        (X, [0, 1, 2] * 2, ("a", "b", "c"), "`labels` must be a NumPy array of integers.*list"),
        (X, np.arange(6.0), ("a",), "`labels` must be a NumPy array of integers.*float64"),
        (X, np.arange(5), ("a",), r"`labels` must have the shape \(6,\).*\(5,\)"),
        (X.tolist(), np.arange(6), ("a",), "Images must be a NumPy array.*list"),
    ],
)
def test_dataset_refuses(images, labels, names, message):
    with pytest.raises(ValueError, match=message):
        Dataset(images, labels, names)
