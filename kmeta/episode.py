"""Support sets and episodes: the one form in which data reaches every learner."""

from typing import Any, NamedTuple, TypeAlias

Tensor: TypeAlias = Any  # of the Keras backend, or an array of NumPy


class Support(NamedTuple):
    """The labelled examples a learner adapts to.

    x: `[tasks, items, ...]` float images in [0, 1] (or any features).
    y: `[tasks, items, way]` one-hot float labels. A row of zeros marks padding, so that classes
        may have unequal shots and tasks unequal sizes; padded items never count.
        For regression: `[tasks, items, outputs]` float targets.

    >>> support = Support(np.zeros((1, 2, 28, 28, 1)), np.eye(2)[None])  # 1 shot
    >>> support.x.shape, support.y.shape
    ((1, 2, 28, 28, 1), (1, 2, 2))
    """

    x: Any
    y: Any


class Episode(NamedTuple):
    """One step's tasks as a learner sees them: support sets and unlabelled queries.

    support: `Support`.
    query_x: `[tasks, queries, ...]`. Query labels travel apart, so that they cannot leak.

    >>> support = Support(np.zeros((1, 2, 28, 28, 1)), np.eye(2)[None])
    >>> Episode(support, np.zeros((1, 6, 28, 28, 1))).image_shape
    (28, 28, 1)
    """

    support: Support
    query_x: Any

    @property
    def image_shape(self) -> tuple[Any, ...]:
        """Shape of one image, of arrays as well as of their shapes."""
        return _shape(self.query_x)[2:]


class Pairs(NamedTuple):
    """Pairs of images, to be told whether the two are of one class.

    first, second: `[pairs, ...]`, float images in [0, 1] or any features. Whether a pair is of one
        class, `[pairs]` of 0 and 1, travels apart, like the labels of queries.

    >>> Pairs(np.zeros((8, 28, 28, 1)), np.zeros((8, 28, 28, 1))).image_shape
    (28, 28, 1)
    """

    first: Any
    second: Any

    @property
    def image_shape(self) -> tuple[Any, ...]:
        """Shape of one image, of arrays as well as of their shapes."""
        return _shape(self.first)[1:]


class Sequence(NamedTuple):
    """Tasks whose items come one by one, the label of each with the item after it.

    x: `[tasks, steps, ...]`, float images in [0, 1] or any features.
    previous_y: `[tasks, steps, symbols]`, the label of the step before, one-hot or in several
        one-hot letters side by side; zeros at the first step. The labels of the steps themselves
        travel apart, like those of queries.

    >>> Sequence(np.zeros((1, 50, 28, 28, 1)), np.zeros((1, 50, 5))).image_shape
    (28, 28, 1)
    """

    x: Any
    previous_y: Any

    @property
    def image_shape(self) -> tuple[Any, ...]:
        """Shape of one image, of arrays as well as of their shapes."""
        return _shape(self.x)[2:]


def _shape(x):
    return tuple(getattr(x, "shape", x))
