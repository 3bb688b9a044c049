"""Answers for support pictures that are left out, in closed form: nothing is learned again.

All but `nearest`, which looks at pairs of pictures in blocks, take time and memory that grow with
the number of pictures, not with its square. Arguments are `x`, features `[n, d]`, integer `labels`
`[n]` and `groups`, a list of index arrays: the pictures of a group are left out together, and asked
about. Plain NumPy, in float64.
"""

import numpy as np

from kmeta.ops.ridge import LEAST


def ridge(x, labels, groups, lam):
    """Scores of `kmeta.ops.ridge` for the pictures of each group, without them: `[n, way]`.

    With `H = 1/n + X (X^T X + h I)^-1 X^T` of all pictures, a ridge regression with free offsets
    misses those of a group, left out, by `(I - H_gg)^-1 (Y_g - P_g)`, where P are its predictions
    with them. `h = lam * trace / n + 1e-6` is that of the others; classes that are left with no
    picture score -inf.
    """
    x, y = unit(x), np.eye(labels.max() + 1)[labels]
    count, totals = len(x), y.sum(0)
    x = x - x.mean(0)
    squares = np.square(x).sum(1)
    basis, values = _basis(x)
    mixed = basis.T @ y
    found = np.empty(y.shape)
    for group in groups:
        rest = count - len(group)
        moved = np.square(x[group].mean(0)).sum() * len(group) ** 2 / rest
        held_back = lam * (squares.sum() - squares[group].sum() - moved) / rest + LEAST
        rows = basis[group] * (values / (values + held_back))
        hat = rows @ basis[group].T + 1 / count
        missed = y[group] - rows @ mixed - totals / count
        missed = np.linalg.solve(np.eye(len(group)) - hat, missed)
        others = totals - y[group].sum(0)
        scores = (y[group] - missed - others / rest).round(9)  # what is left of y by rounding goes
        found[group] = np.where(others > 0, scores, -np.inf)
    return found


def prototypes(x, labels, groups, logits_of):
    """Logits `[n, way]` of prototypes made without the pictures of each group.

    logits_of: function of features `[m, d]` and prototypes `[way, d]` to logits `[m, way]`.
    """
    x, way = np.asarray(x, "float64"), labels.max() + 1
    sums = np.stack([x[labels == label].sum(0) for label in range(way)])
    counts = np.bincount(labels, minlength=way)[:, None]
    found = logits_of(x, sums / counts)
    for group in groups:
        for label in np.unique(labels[group]):
            out = group[labels[group] == label]
            left = counts[label] - len(out)
            mean = (sums[label] - x[out].sum(0)) / np.maximum(left, 1)
            found[group, label] = logits_of(x[group], mean[None])[:, 0] if left > 0 else -np.inf
    return found


def nearest(x, groups, block=512):
    """Cosine of each picture to the nearest one outside its group, `[n]`."""
    x, owner = unit(x).astype("float32"), np.empty(len(x), int)
    for number, group in enumerate(groups):
        owner[group] = number
    found = np.empty(len(x))
    for start in range(0, len(x), block):
        rows = slice(start, start + block)
        cosines = x[rows] @ x.T
        cosines[owner[rows, None] == owner] = -1.0
        found[rows] = cosines.max(-1)
    return found


def unit(x):
    """Vectors of length 1."""
    x = np.asarray(x, "float64")
    return x / np.sqrt(np.square(x).sum(-1, keepdims=True) + 1e-12)


def _basis(x):
    """Orthonormal columns that span those of x, and the squares of its singular values."""
    if len(x) <= x.shape[1]:
        values, vectors = np.linalg.eigh(x @ x.T)
        return vectors, np.maximum(values, 0)
    values, vectors = np.linalg.eigh(x.T @ x)
    kept = values > 1e-10 * max(values[-1], 1e-10)
    return x @ vectors[:, kept] / np.sqrt(values[kept]), values[kept]
