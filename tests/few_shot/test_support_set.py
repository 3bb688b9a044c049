"""What is kept of the pictures grows and shrinks without changing what was."""

import numpy as np
import pytest

import kmeta
from kmeta.few_shot.support_set import SupportSet


@pytest.fixture
def three():
    items = np.arange(10.0).reshape(5, 2)
    return SupportSet(items, np.array([0, 1, 1, 2, 0]), ["ant", "bee", "cat"])


def test_classes_and_items_come_and_go(three):
    more = three.with_items("bee", np.full((2, 2), 9.0)).with_items("dog", np.full((1, 2), 8.0))
    assert more.class_names == ["ant", "bee", "cat", "dog"]
    assert list(more.labels) == [0, 1, 1, 2, 0, 1, 1, 3] and list(more.counts) == [2, 4, 1, 1]
    fewer = more.without("bee")
    assert fewer.class_names == ["ant", "cat", "dog"] and list(fewer.labels) == [0, 1, 0, 2]
    np.testing.assert_array_equal(fewer.items, [[0, 1], [6, 7], [8, 9], [8, 8]])
    assert list(fewer.of_class("ant")) == [0, 2]
    assert list(three.counts) == [2, 2, 1] and three.class_names == ["ant", "bee", "cat"]


def test_names_are_checked(three):
    for call in (three.of_class, three.without):
        with pytest.raises(ValueError, match=r"must be one of .*Received: 'cow'"):
            call("cow")
    with pytest.raises(ValueError, match="Two classes must remain"):
        three.without("ant").without("bee")


def test_a_broken_picture_among_new_ones_leaves_all_as_it_was(tmp_path):
    """Those before it must not turn up among the pictures that are added next."""
    images = [np.full((16, 16), shade, "uint8") for shade in (0, 90, 250)]
    learner = kmeta.load("prototypical-omniglot")
    mine = kmeta.FewShotClassifier(images[::2], ["dark", "light"], learner)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.png"):
        mine.add_examples("dark", [images[1], str(tmp_path / "broken.png")])
    mine.add_examples("light", [images[1]])
    assert list(mine.counts) == [1, 2]
    np.testing.assert_allclose(mine.predict(images).sum(-1), 1, atol=1e-6)
