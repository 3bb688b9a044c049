"""Which of the pictures that a classifier learned from are most like others. Plain NumPy."""

import numpy as np


def whole(embedded):
    """Features `[items, d]` of support pictures as a whole, `[items, d]` or `[items, views, d]`."""
    return embedded[:, 0] if embedded.ndim == 3 else embedded


def nearest(support, queries, count):
    """For each query the nearest support pictures, `(which, cosines)`, each `[queries, count]`.

    support, queries: features `[items, d]` and `[queries, d]`.
    """
    lengths = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (support, queries))
    support, queries = (
        x / np.maximum(n, 1e-12) for x, n in zip((support, queries), lengths, strict=True)
    )
    cosines = queries @ support.T
    which = np.argsort(-cosines, axis=-1, kind="stable")[:, :count]
    return which, np.take_along_axis(cosines, which, axis=-1)
