import numpy as np
import oracles
import pytest

from kmeta.ops.losses import support_cross_entropy
from kmeta.ops.prototypes import class_means

rng = np.random.default_rng(1)
EMBEDDED = rng.normal(size=(2, 8, 3))
LABELS = np.eye(3)[[[0, 1, 2, 0, 1, 0, 2, 2], [2, 2, 2, 1, 1, 0, 2, 1]]]


def test_class_means_with_unequal_shots():
    expected = [oracles.prototypes(x, y) for x, y in zip(EMBEDDED, LABELS, strict=True)]
    np.testing.assert_allclose(class_means(EMBEDDED, LABELS), expected, rtol=1e-12)


def test_padding_rows_do_not_count():
    x = np.concatenate([EMBEDDED, 100 + rng.normal(size=(2, 3, 3))], axis=1)
    y = np.concatenate([LABELS, np.zeros((2, 3, 3))], axis=1)
    np.testing.assert_allclose(class_means(x, y), class_means(EMBEDDED, LABELS), rtol=1e-12)
    logits = rng.normal(size=(11, 3))
    np.testing.assert_allclose(
        support_cross_entropy(logits, y[0]), support_cross_entropy(logits[:8], LABELS[0])
    )


def test_support_cross_entropy_is_the_mean_negative_log_probability():
    logits = rng.normal(size=(8, 3))
    expected = -np.log(oracles.softmax(logits)[np.arange(8), LABELS[0].argmax(-1)]).mean()
    np.testing.assert_allclose(support_cross_entropy(logits, LABELS[0]), expected, rtol=1e-12)


def test_item_counts_must_agree():
    with pytest.raises(ValueError, match="labels.shape=\\(2, 7, 3\\)"):
        class_means(EMBEDDED, LABELS[:, :7])
