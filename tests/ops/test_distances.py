import keras
import numpy as np
import oracles
import pytest

from kmeta.ops.distances import cosine_similarity, squared_euclidean, unit_vectors

rng = np.random.default_rng(0)
A, B = rng.normal(size=(3, 7, 5)), rng.normal(size=(3, 4, 5))


@pytest.mark.parametrize(
    ("function", "oracle"),
    [(squared_euclidean, oracles.squared_euclidean), (cosine_similarity, oracles.cosine)],
)
def test_equals_the_loop(function, oracle):
    expected = [oracle(a, b) for a, b in zip(A, B, strict=True)]
    np.testing.assert_allclose(function(A, B), expected, rtol=1e-10)


def test_squared_euclidean_survives_translation_in_float32():
    a, b = A.astype("float32"), B.astype("float32")
    moved = squared_euclidean(a + np.float32(1000), b + np.float32(1000))
    expected = [oracles.squared_euclidean(x, y) for x, y in zip(A, B, strict=True)]
    np.testing.assert_allclose(moved, expected, rtol=1e-3)


def test_cosine_ignores_scale_and_is_zero_for_zero_vectors():
    np.testing.assert_allclose(cosine_similarity(A * 7.0, B / 3.0), cosine_similarity(A, B))
    np.testing.assert_array_equal(cosine_similarity(np.zeros((1, 5)), B[0]), np.zeros((1, 4)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_has_zero_vectors_and_long_ones(dtype):
    a = keras.ops.cast(np.concatenate([300 * A[0], np.zeros((1, 5))]), dtype)
    b = keras.ops.cast(np.concatenate([B[0], np.zeros((1, 5))]), dtype)
    found = cosine_similarity(a, b)
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    expected = np.zeros((8, 5))
    expected[:7, :4] = oracles.cosine(A[0], B[0])
    np.testing.assert_allclose(keras.ops.cast(found, "float32"), expected, atol=0.02)
    units = keras.ops.cast(unit_vectors(a), "float32")
    np.testing.assert_allclose(np.linalg.norm(units, axis=-1), [1] * 7 + [0], atol=0.02)


@pytest.mark.parametrize("function", [squared_euclidean, cosine_similarity])
def test_feature_counts_must_agree(function):
    with pytest.raises(ValueError, match=r"Received: a.shape=\(3, 7, 5\), b.shape=\(3, 4, 6\)"):
        function(A, rng.normal(size=(3, 4, 6)))
