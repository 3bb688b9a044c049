"""Gradients of every equation against central differences, in float64, on random shapes."""

import numpy as np
import pytest
from keras import ops

from kmeta.ops.attention import attention_read, label_log_probabilities
from kmeta.ops.differentiation import value_and_gradients
from kmeta.ops.distances import cosine_similarity, squared_euclidean, unit_vectors
from kmeta.ops.losses import support_cross_entropy
from kmeta.ops.pairs import class_log_odds, component_distances
from kmeta.ops.prototypes import class_means

WAY = 3


def labels(rng, tasks, items):
    one_hot = np.eye(WAY)[rng.integers(0, WAY, (tasks, items))]
    one_hot[:, -1] = 0  # padding
    return one_hot


EQUATIONS = {
    "squared_euclidean": lambda a, b, y: squared_euclidean(a, b),
    "cosine_similarity": lambda a, b, y: cosine_similarity(a, b),
    "unit_vectors": lambda a, b, y: unit_vectors(a),
    "class_means": lambda a, b, y: class_means(b, y),
    "support_cross_entropy": lambda a, b, y: support_cross_entropy(b[0, :, :WAY], y[0]),
    "attention_read": lambda a, b, y: attention_read(a, b, y.sum(-1) > 0),
    "label_log_probabilities": lambda a, b, y: label_log_probabilities(
        ops.matmul(a, ops.swapaxes(b, 1, 2)), y
    ),
    **{
        f"component_distances {kind}": lambda a, b, y, kind=kind: component_distances(
            ops.expand_dims(a, 2), ops.expand_dims(b, 1), kind
        )
        for kind in ("l1", "l2", "cosine")
    },
    **{
        f"class_log_odds {score}": lambda a, b, y, score=score: ops.maximum(
            class_log_odds(ops.matmul(a, ops.swapaxes(b, 1, 2)), y, score), -1e3
        )  # a class without items has -1e9
        for score in ("max", "mean")
    },
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", EQUATIONS)
def test_gradient_equals_central_differences(name, seed):
    rng = np.random.default_rng([seed, 11])
    tasks, queries, items, features = rng.integers(1, 4), *rng.integers(2, 7, 2), rng.integers(3, 6)
    y = labels(rng, tasks, items)
    points = [rng.normal(size=(tasks, n, features)) for n in (queries, items)]
    direction = [rng.normal(size=point.shape) for point in points]
    shape = ops.shape(EQUATIONS[name](*map(ops.convert_to_tensor, points), y))
    weights = rng.normal(size=shape)

    def loss(values):
        return ops.sum(weights * EQUATIONS[name](*values, y)), None

    _, gradients = value_and_gradients(loss, [ops.convert_to_tensor(point) for point in points])
    slope = sum(float(ops.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
    ends = [
        loss([ops.convert_to_tensor(p + h * d) for p, d in zip(points, direction, strict=True)])[0]
        for h in (1e-6, -1e-6)
    ]
    assert slope == pytest.approx(float(ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_unit_vectors_have_a_finite_gradient_at_zero():
    (_, _), (gradient,) = value_and_gradients(
        lambda values: (ops.sum(unit_vectors(values[0])), None), [ops.zeros((2, 3))]
    )
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()
