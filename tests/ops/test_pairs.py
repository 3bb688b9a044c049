import numpy as np
import oracles
import pytest

from kmeta.ops.pairs import NEVER, class_log_odds, component_distances

rng = np.random.default_rng(11)


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 7)])
def test_component_distances(shape):
    a, b = rng.normal(size=(2, *shape)).astype("float32")
    np.testing.assert_allclose(component_distances(a, b, "l1"), np.abs(a - b), rtol=1e-6)
    np.testing.assert_allclose(component_distances(a, b, "l2"), (a - b) ** 2, rtol=1e-5)
    rows = zip(a.reshape(-1, shape[-1]), b.reshape(-1, shape[-1]), strict=True)
    expected = np.array([oracles.cosine([p], [q])[0, 0] for p, q in rows])
    cosines = component_distances(a, b, "cosine")
    np.testing.assert_allclose(cosines, expected.reshape(*shape[:-1], 1), rtol=1e-4, atol=1e-6)


def test_hand_worked():
    a, b = np.float32([[3, -1]]), np.float32([[1, 2]])
    np.testing.assert_array_equal(component_distances(a, b, "l1"), [[2, 3]])
    np.testing.assert_array_equal(component_distances(a, b, "l2"), [[4, 9]])
    np.testing.assert_allclose(component_distances(a, b, "cosine"), [[1 / np.sqrt(50)]], rtol=1e-6)


@pytest.mark.parametrize(
    ("class_score", "rule"), [("max", np.max), ("mean", lambda x: np.mean(x, dtype="float64"))]
)
def test_class_log_odds_take_the_items_of_a_class_and_no_padding(class_score, rule):
    kinds = np.array([[0, 1, 1, -1, 2, 0, -1], [2, 2, -1, 1, 0, 0, 2]])
    labels = np.eye(4, 3, dtype="float32")[kinds]
    pair_logits = rng.normal(size=(2, 5, 7)).astype("float32")
    pair_logits[:, :, [2, 3]] = 50.0  # padding in one task, an item in the other
    expected = [
        [[rule(row[kind == c]) for c in range(3)] for row in task]
        for task, kind in zip(pair_logits, kinds, strict=True)
    ]
    np.testing.assert_allclose(
        class_log_odds(pair_logits, labels, class_score), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("class_score", ["max", "mean"])
def test_a_class_without_items_never_wins(class_score):
    labels = np.eye(3, dtype="float32")[[[0, 2]]]
    odds = class_log_odds(np.full((1, 1, 2), -1e6, "float32"), labels, class_score)
    np.testing.assert_array_equal(odds, np.float32([[[-1e6, NEVER, -1e6]]]))


def test_errors():
    a = np.zeros((2, 3), "float32")
    with pytest.raises(
        ValueError, match=r"Expected `a`.*Received: a.shape=\(2, 3\), b.shape=\(2, 4"
    ):
        component_distances(a, np.zeros((2, 4), "float32"), "l1")
    with pytest.raises(ValueError, match="one of .*'cosine'.*Received: distance='l3'"):
        component_distances(a, a, "l3")
    with pytest.raises(ValueError, match=r"`pair_logits` of shape .* labels.shape=\(2, 3\)"):
        class_log_odds(a[None], a)
    with pytest.raises(ValueError, match="'max', 'mean'.*Received: class_score='sum'"):
        class_log_odds(np.zeros((1, 3, 3)), np.zeros((1, 3, 2)), "sum")
