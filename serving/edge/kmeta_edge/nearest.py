"""Which of the pictures that a classifier learned from are most like others. Plain NumPy."""

import numpy as np


def whole(kept):
    """`[n, d]`: what a learner keeps of each picture, `[n, ...]`; of features of several views,
    `[n, views, d]`, those of the whole picture.

    >>> whole(np.zeros((2, 5, 3))).shape, whole(np.zeros((2, 8, 8, 3))).shape
    ((2, 3), (2, 192))
    """
    return kept[:, 0] if np.ndim(kept) == 3 else np.reshape(kept, (len(kept), -1))


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
