"""Labels and names in every form in which people have them."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kmeta

X = np.eye(4, dtype="float32")
NAMES = np.array(["bee", "ant", "bee", "ant"])
FORMS = {
    "text": NAMES,
    "list": NAMES.tolist(),
    "bytes": NAMES.astype("S"),
    "tensor": tf.constant(NAMES),
    "objects of bytes": tf.constant(NAMES).numpy(),
    "objects of text": NAMES.astype(object),
    "StringDType": NAMES.astype(np.dtypes.StringDType()),
}


@pytest.mark.parametrize("form", FORMS)
def test_names_of_classes(form):
    data = kmeta.data.from_arrays(X, FORMS[form])
    assert data.class_names == ("ant", "bee") and data.labels.tolist() == [1, 0, 1, 0]
    classifier = kmeta.PrototypicalNetwork(layers.Flatten()).adapt(X, FORMS[form])
    assert classifier.class_names == ["ant", "bee"]
    np.testing.assert_array_equal(np.argmax(classifier(X), -1), [1, 0, 1, 0])


@pytest.mark.parametrize("kind", ["int8", "uint64", object])
def test_integers(kind):
    labels = np.array([1, 0, 1, 0]).astype(kind)
    assert kmeta.data.from_arrays(X, labels).labels.tolist() == [1, 0, 1, 0]
    learner = kmeta.PrototypicalNetwork(layers.Flatten())
    for names in (["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array([b"a", b"b"])):
        assert learner.adapt(X, labels, class_names=names).class_names == ["a", "b"]
        assert kmeta.data.from_arrays(X, labels, names).class_names == ("a", "b")


@pytest.mark.parametrize("names", [{0: "a", 1: "b"}, "ab", {"a", "b"}, iter("ab"), 3, [["a"], "b"]])
def test_names_without_an_order_are_refused(names):
    learner = kmeta.PrototypicalNetwork(layers.Flatten())
    for call in (learner.adapt, kmeta.data.from_arrays):
        with pytest.raises(ValueError, match="`class_names` must be a"):
            call(X, [1, 0, 1, 0], class_names=names)


@pytest.mark.parametrize(
    "labels",
    [[b"\xff", b"a", b"b", b"c"], [1, "a", "b", "c"], [None] * 4, [True, False] * 2, [1.5] * 4],
)
def test_what_is_neither_is_refused(labels):
    learner = kmeta.PrototypicalNetwork(layers.Flatten())
    with pytest.raises(ValueError, match="`support_y`"):
        learner.adapt(X, np.array(labels, dtype=object))
    with pytest.raises(ValueError, match="`y`"):
        kmeta.data.from_arrays(X, np.array(labels, dtype=object))
