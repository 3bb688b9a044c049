"""Ridge regression against NumPy, in all its forms."""

import numpy as np
import oracles
import pytest
import tensorflow as tf
from keras import ops
from quick_cases import others_slow

from kmeta.ops.ridge import newton_inverse, ridge_regression, ridge_scores, ridge_variance


def task(items, features, way=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.eye(way)[np.arange(items) % way]
    return rng.normal(size=(items, features)), y, rng.normal(size=(5, features))


def expected(x, y, queries):
    return oracles.ridge_scores(x, y, queries, 0.3)


def scores(x, y, queries, lam):
    x, y, queries = (ops.convert_to_tensor(a[None].astype("float32")) for a in (x, y, queries))
    found = ridge_regression(x, y, lam)
    return ridge_scores(queries, found.mean, found.weights)[0]


def variances(x, y, queries, lam):
    x, y, queries = (ops.convert_to_tensor(a[None].astype("float32")) for a in (x, y, queries))
    return ridge_variance(queries, x, y, ridge_regression(x, y, lam))[0]


@pytest.mark.parametrize("lam", [0.03, 0.3])
@pytest.mark.parametrize(("items", "features"), [(4, 20), (30, 6)])
def test_scores_are_those_of_the_equation(items, features, lam):
    x, y, queries = task(items, features)
    np.testing.assert_allclose(
        scores(x, y, queries, lam), oracles.ridge_scores(x, y, queries, lam), atol=2e-5, rtol=1e-4
    )


@pytest.mark.parametrize("many", others_slow([False, True], [True]))
def test_a_graph_that_does_not_know_the_number_of_items_computes_the_same(many):
    specs = [
        tf.TensorSpec([1, None, 20]),
        tf.TensorSpec([1, None, 3]),
        tf.TensorSpec([1, None, 20]),
    ]

    @tf.function(input_signature=specs)
    def graph(x, y, queries):
        found = ridge_regression(x, y, 0.3, many)
        assert found.inverse.shape[1:] == ([20, 20] if many else [None, None])
        variances = ridge_variance(queries, x, y, found)
        return ridge_scores(queries, found.mean, found.weights), variances

    operations = {op.type for op in graph.get_concrete_function().graph.get_operations()}
    assert not operations & {"MatrixSolve", "MatrixInverse", "Cholesky"}
    for items in (3, 12, 90):
        x, y, queries = task(items, 20)
        found, doubt = graph(*(a[None].astype("float32") for a in (x, y, queries)))
        np.testing.assert_allclose(found[0], expected(x, y, queries), atol=2e-5, rtol=1e-4)
        known = oracles.ridge_variances(x, queries, 0.3)
        np.testing.assert_allclose(doubt[0], known, atol=1e-4, rtol=1e-3)


def test_a_graph_for_any_number_of_items_rounds_little():
    """As exported ones must, which other runtimes compute in other orders."""
    rng = np.random.default_rng(0)
    x, queries = (5 + rng.random((n, 400), "float32") for n in (120, 5))  # much alike
    y = np.eye(3, dtype="float32")[np.arange(120) % 3]
    sizes = ([1, None, 400], [1, None, None], [1, None, 400])

    @tf.function(input_signature=[tf.TensorSpec(size) for size in sizes])
    def logits(x, y, queries):
        found = ridge_regression(x, y, 0.3)
        doubt = ridge_variance(queries, x, y, found)[..., None]
        return 16 * (ridge_scores(queries, found.mean, found.weights) - 0.18 * doubt)

    expected = oracles.ridge_scores(x, y, queries, 0.3)
    expected -= 0.18 * oracles.ridge_variances(x, queries, 0.3)[:, None]
    found = logits(*(a[None] for a in (x, y, queries)))[0]
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, 16 * expected, atol=5e-6)


@pytest.mark.parametrize("lam", [0.03, 0.3])
@pytest.mark.parametrize(("items", "features"), [(4, 20), (6, 6), (30, 6)])
def test_variances_are_those_of_the_gaussian_process(items, features, lam):
    x, y, queries = task(items, features)
    expected = oracles.ridge_variances(x, queries, lam)
    np.testing.assert_allclose(variances(x, y, queries, lam), expected, atol=1e-4, rtol=1e-3)


def test_padding_does_not_count():
    x, y, queries = task(9, 12)
    padded = np.concatenate([x, np.ones((2, 12))]), np.concatenate([y, np.zeros((2, 3))])
    found, known = variances(*padded, queries, 0.3), oracles.ridge_variances(x, queries, 0.3)
    np.testing.assert_allclose(found, known, atol=1e-4, rtol=1e-3)
    np.testing.assert_allclose(
        scores(*padded, queries, 0.3),
        expected(x, y, queries),
        atol=2e-5,
        rtol=1e-4,
    )


def test_equal_items_give_scores_of_zero():
    x, y, queries = (
        np.ones((4, 5)),
        np.eye(2)[[0, 1, 0, 1]],
        np.random.default_rng(0).random((2, 5)),
    )
    np.testing.assert_allclose(scores(x, y, queries, 0.3), 0, atol=1e-3)


def test_newton_inverse_reaches_its_worst_case():
    values = np.geomspace(1e-4, 1, 40)
    turned, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 40)))
    matrix = turned * values @ turned.T
    found = newton_inverse(ops.convert_to_tensor(matrix, "float64"), 1e-5, 1.0)
    np.testing.assert_allclose(found @ matrix, np.eye(40), atol=1e-6)


def test_ranks_are_checked():
    with pytest.raises(ValueError, match="Expected `embedded` of shape"):
        ridge_regression(np.zeros((1, 3, 4)), np.zeros((1, 2, 2)), 0.3)
