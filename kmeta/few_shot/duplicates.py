"""Pictures of one class that are nearly the same: shots of one thing, seconds apart."""

import numpy as np

from kmeta.edge.nearest import nearest as nearest_of
from kmeta.edge.nearest import whole
from kmeta.few_shot.closed_form import unit

CLOSE = 0.9  # cosine of features, above which pictures may be near-duplicates
APART = 0.4  # ... if they are so many times nearer than pictures of a class usually are


def groups(features, labels):
    """Index arrays of near-duplicates, all others alone; each of one class, all pictures once.

    Two pictures of a class are near-duplicates if the cosine of their features is above 0.9 and
    they are 0.4 times as far apart, or less, as the median pair of pictures of a class is
    (`1 - cosine`). What is a near-duplicate of the same picture belongs together.

    Args:
        features: what a learner keeps of the pictures, see `kmeta.edge.nearest.whole`.
        labels: int `[n]`.

    Returns:
        List of int arrays, in the order of their first pictures.

    >>> x = np.array([[1, 0, 0], [1, 0.01, 0], [0, 1, 0], [0, 0, 1.0]])
    >>> groups(x, np.array([0, 0, 0, 0]))
    [array([0, 1]), array([2]), array([3])]
    """
    x = unit(whole(features))
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    far = [1 - x[m] @ x[m].T for m in members]
    pairs = [distances[np.triu_indices(len(distances), 1)] for distances in far]
    usual = np.median(np.concatenate(pairs)) if any(len(p) for p in pairs) else 0.0
    most = min(1 - CLOSE, APART * usual)
    found = []
    for indices, distances in zip(members, far, strict=True):
        found += [indices[part] for part in _connected(distances <= most)]
    return sorted(found, key=lambda group: group[0])


def nearest(features, number, count):
    """The pictures most like one of them, by the cosine of features: `[(number, cosine)]`.

    >>> nearest(np.array([[1.0, 0], [0, 1], [1, 1]]), 0, count=1)
    [(2, 0.7...)]
    """
    x = np.asarray(whole(features), "float64")
    which, cosines = nearest_of(x, x[[number]], len(x))
    pairs = zip(which[0].tolist(), cosines[0].tolist(), strict=True)
    return [pair for pair in pairs if pair[0] != number][:count]


def _connected(near):
    """Connected parts of a graph, a boolean matrix with a true diagonal."""
    left, parts = set(range(len(near))), []
    while left:
        part, ahead = set(), {min(left)}
        while ahead:
            part |= ahead
            ahead = {int(j) for i in ahead for j in np.flatnonzero(near[i])} - part
        left -= part
        parts.append(np.array(sorted(part)))
    return parts
