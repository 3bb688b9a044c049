"""Answers for support pictures that are left out, in closed form: nothing is learned again.

Time and memory grow with the number of pictures, not with its square. Arguments are `x`, features
`[n, d]`, integer `labels` `[n]` and `groups`, a list of index arrays: the pictures of a group are
left out together, and asked about. Plain NumPy, in float64.
"""

import numpy as np

from kmeta.ops.ridge import LEAST

PART = 500  # pictures that are compared together, which bounds memory


def ridge(x, labels, groups, lam, views=1):
    """Scores and variances of `kmeta.ops.ridge` for the pictures of each group, without them.

    With `H = 1/n + X (X^T X + h I)^-1 X^T` of all pictures, a ridge regression with free offsets
    misses those of a group, left out, by `(I - H_gg)^-1 (Y_g - P_g)`, where P are its predictions
    with them, and its variance is the diagonal of `(I - H_gg)^-1`, less 1 and `1 / n` of the
    others. `h = lam * trace / n + 1e-6` is that of the others; classes that are left with no
    picture score -inf.

    x: `[n * views, d]`, the views of a picture one after another, of which the first is asked
        about.

    Returns:
        `[n, way]` and `[n]`.
    """
    x, y = unit(x), np.eye(labels.max() + 1)[np.repeat(labels, views)]
    count, totals = len(x), y.sum(0)
    x -= x.mean(0)
    squares = _squares(x)
    basis, values = _basis(x)
    mixed = basis.T @ y
    found, variances = np.empty((len(labels), y.shape[1])), np.empty(len(labels))
    for group in groups:
        rows_of = (views * group[:, None] + np.arange(views)).ravel()
        rest = count - len(rows_of)
        moved = np.square(x[rows_of].mean(0)).sum() * len(rows_of) ** 2 / rest
        held_back = lam * (squares.sum() - squares[rows_of].sum() - moved) / rest + LEAST
        rows = basis[rows_of] * (values / (values + held_back))
        hat = rows @ basis[rows_of].T + 1 / count
        inverse = np.linalg.inv(np.eye(len(rows_of)) - hat)[::views]
        missed = inverse @ (y[rows_of] - rows @ mixed - totals / count)
        others = totals - y[rows_of].sum(0)
        scores = (y[rows_of[::views]] - missed - others / rest).round(9)  # nothing of y by rounding
        found[group] = np.where(others > 0, scores, -np.inf)
        variances[group] = np.diagonal(inverse[:, ::views]) - 1 - 1 / rest
    return found, variances


def prototypes(x, labels, groups, logits_of):
    """Logits `[n, way]` of prototypes made without the pictures of each group.

    logits_of: function of features `[m, d]` and prototypes `[way, d]` to logits `[m, way]`.
    """
    way = labels.max() + 1
    sums = np.stack([x[labels == label].sum(0, dtype="float64") for label in range(way)])
    counts = np.bincount(labels, minlength=way)[:, None]
    means = sums / counts
    parts = (x[start : start + PART] for start in range(0, len(x), PART))
    found = np.concatenate([logits_of(np.asarray(part, "float64"), means) for part in parts])
    for group in groups:
        for label in np.unique(labels[group]):
            out = group[labels[group] == label]
            left = counts[label] - len(out)
            mean = (sums[label] - x[out].sum(0, dtype="float64")) / np.maximum(left, 1)
            asked = np.asarray(x[group], "float64")
            found[group, label] = logits_of(asked, mean[None])[:, 0] if left > 0 else -np.inf
    return found


def unit(x):
    """Vectors of length 1."""
    x = np.array(x, "float64")
    x /= np.sqrt(_squares(x)[..., None] + 1e-12)
    return x


def _squares(x):
    """Squared lengths of vectors, without another array of their size."""
    return np.einsum("...i,...i->...", x, x)


def _basis(x):
    """Orthonormal columns that span those of x, and the squares of its singular values."""
    if len(x) <= x.shape[1]:
        values, vectors = np.linalg.eigh(x @ x.T)
        return vectors, np.maximum(values, 0)
    values, vectors = np.linalg.eigh(x.T @ x)
    kept = values > 1e-10 * max(values[-1], 1e-10)
    return x @ (vectors[:, kept] / np.sqrt(values[kept])), values[kept]
