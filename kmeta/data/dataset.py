"""Labelled images in memory: what every data source returns and every sampler reads."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from kmeta.data.labels import ordered_names, plain_labels


@dataclass(frozen=True, repr=False, eq=False)
class Dataset:
    """Images of named classes, all of one shape.

    Args:
        images: `[n, h, w, c]` uint8 in 0..255, or float32 in any range the caller wants to keep
            (features of shape `[n, ...]` are allowed). Episodes divide uint8 by 255 and leave
            float32 as it is.
        labels: `[n]` integers in 0..classes-1; every class has at least one image.
        class_names: tuple of different strings, sorted; `class_names[label]` names a class.
        name: what the data are, for messages and manifests.

    Raises:
        ValueError: if one of these does not hold.

    >>> images = np.zeros((4, 28, 28, 1), np.uint8)
    >>> dataset = Dataset(images, np.array([0, 0, 1, 1]), ("cat", "dog"), "pets")
    >>> dataset
    Dataset('pets', 4 images of (28, 28, 1) uint8, 2 classes)
    >>> dataset.counts, dataset.indices_of(1)
    (array([2, 2]), array([2, 3]))
    >>> dataset.subset(["dog"]).class_names
    ('dog',)
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    name: str = ""

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_labels(self.labels, len(self.images))
        object.__setattr__(self, "labels", self.labels.astype(np.int64))
        object.__setattr__(self, "class_names", _check_names(self.class_names))
        if not isinstance(self.name, str):
            raise ValueError(f"Argument `name` must be a string. Received: name={self.name!r}")
        classes = len(self.class_names)
        if self.labels.min() < 0 or self.labels.max() >= classes:
            raise ValueError(
                f"Argument `labels` must lie in 0..{classes - 1}, as there are {classes} class "
                f"names. Received: labels from {self.labels.min()} to {self.labels.max()}"
            )
        empty = np.flatnonzero(self.counts == 0)
        if len(empty):
            raise ValueError(
                "Every class needs at least one image. Received: no image of class "
                f"{self.class_names[empty[0]]!r}"
            )

    @cached_property
    def counts(self) -> np.ndarray:
        """Images of each class: int `[classes]`."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    @cached_property
    def _order(self):
        return np.argsort(self.labels, kind="stable")

    @cached_property
    def sha256(self) -> str:
        """Hash of the pixels, labels and class names, as hexadecimal digits."""
        digest = hashlib.sha256(repr((self.images.shape, self.images.dtype.str)).encode())
        digest.update("\n".join(self.class_names).encode())
        digest.update(self.labels.astype("<i8").tobytes())
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.hexdigest()

    def indices_of(self, label: int) -> np.ndarray:
        """Return where the images of class `label` are, in their order: int `[count]`."""
        start = int(self.counts[:label].sum())
        return self._order[start : start + self.counts[label]]

    def subset(self, classes: Sequence[str | int], name: str | None = None) -> "Dataset":
        """Return the `Dataset` of some classes only, given as class names or as labels.

        Labels are numbered anew from 0, in order of class name.

        Raises:
            ValueError: if no class is given, or one is unknown or given twice.
        """
        wanted = [self._label_of(item) for item in classes]
        if not wanted or len(set(wanted)) != len(wanted):
            raise ValueError(
                "Argument `classes` must name at least one class, and none of them twice. "
                f"Received: classes={list(classes)!r}"
            )
        wanted = sorted(wanted)
        where = np.sort(np.concatenate([self.indices_of(label) for label in wanted]))
        return Dataset(
            self.images[where],
            np.searchsorted(wanted, self.labels[where]),
            tuple(self.class_names[label] for label in wanted),
            self.name if name is None else name,
        )

    def _label_of(self, item):
        if isinstance(item, str) and item in self.class_names:
            return self.class_names.index(item)
        if isinstance(item, (int, np.integer)) and 0 <= item < len(self.class_names):
            return int(item)
        raise ValueError(
            f"Argument `classes` must hold names of the {len(self.class_names)} classes or labels "
            f"below {len(self.class_names)}. Received: {item!r}"
        )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self):
        return (
            f"Dataset({self.name!r}, {len(self)} images of {self.images.shape[1:]} "
            f"{self.images.dtype}, {len(self.class_names)} classes)"
        )


def from_arrays(
    x: ArrayLike, y: ArrayLike, class_names: Sequence[str] | None = None, name: str = "arrays"
) -> Dataset:
    """Return a `Dataset` of arrays in memory.

    Args:
        x: `[n, ...]` images or features. uint8 is kept, floats become float32; NaN, infinity and
            other types are refused. Images without a channel axis, `[n, h, w]`, get one.
        y: `[n]` strings, or integers of at least 0. Without `class_names` the different values
            are the classes, in order of name for strings and of number for integers.
        class_names: names of classes 0, 1, ... of integer `y`, or the names allowed in string `y`.
            Classes are put in order of name; names that `y` does not use are left out.
        name: what the data are, for messages and manifests.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: if lengths differ, nothing is given, or a value cannot be used.

    >>> from_arrays(np.zeros((3, 8, 8)), ["dog", "cat", "dog"])
    Dataset('arrays', 3 images of (8, 8, 1) float32, 2 classes)
    """
    x, y = _array("x", x), plain_labels("y", y)
    class_names = None if class_names is None else ordered_names(class_names)
    if x.dtype in (np.float16, np.float64):
        x = x.astype(np.float32)
    if x.ndim == 3:
        x = x[..., None]
    _check_images(x)
    if y.ndim != 1 or len(y) != len(x):
        raise ValueError(
            f"Argument `y` must hold one label for each of the {len(x)} rows of `x`. "
            f"Received: y of shape {y.shape}"
        )
    if y.dtype.kind == "U":
        names = list(y.tolist()) if class_names is None else _known(y.tolist(), class_names)
    elif y.dtype.kind in "iu":
        names = _names_of_numbers(y, class_names)
    else:
        raise ValueError(
            f"Argument `y` must hold integers or strings. Received: y of dtype {y.dtype}"
        )
    found, labels = np.unique(np.asarray(names), return_inverse=True)
    return Dataset(x, labels, tuple(found.tolist()), name)


def _array(name, value):
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"Argument `{name}` must be an array: {error}") from error


def _known(labels, class_names):
    unknown = sorted(set(labels) - set(class_names))
    if unknown:
        raise ValueError(
            f"Argument `y` must hold names out of `class_names`. Received: {unknown[0]!r}"
        )
    return labels


def _names_of_numbers(y, class_names):
    if class_names is None:
        width = len(str(y.max(initial=0)))
        if y.min(initial=0) < 0:
            raise ValueError(f"Argument `y` must not be negative. Received: {y.min()} in y")
        return [f"{label:0{width}d}" for label in y.tolist()]
    class_names = list(class_names)
    if len(set(class_names)) != len(class_names):
        raise ValueError(
            "Argument `class_names` must name every class once. "
            f"Received: class_names={_short(class_names)}"
        )
    if y.min(initial=0) < 0 or y.max(initial=0) >= len(class_names):
        raise ValueError(
            f"Argument `y` must lie in 0..{len(class_names) - 1}, as `class_names` has "
            f"{len(class_names)} names. Received: y from {y.min()} to {y.max()}"
        )
    return [class_names[label] for label in y.tolist()]


def _check_images(images):
    if not isinstance(images, np.ndarray) or images.dtype not in (np.uint8, np.float32):
        what = getattr(images, "dtype", type(images).__name__)
        raise ValueError(
            f"Images must be a NumPy array of uint8 or floating point numbers. Received: {what}"
        )
    if images.ndim < 2 or 0 in images.shape:
        raise ValueError(
            "Images must have the shape [n, h, w, c], or [n, ...] for features, with nothing "
            f"empty. Received: shape {images.shape}"
        )
    if images.dtype != np.uint8 and not np.isfinite(images).all():
        where = int(np.flatnonzero(~np.isfinite(images.reshape(len(images), -1)).all(axis=1))[0])
        raise ValueError(f"Images must be finite numbers. Received: NaN or infinity in row {where}")


def _check_labels(labels, count):
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        what = getattr(labels, "dtype", type(labels).__name__)
        raise ValueError(f"Argument `labels` must be a NumPy array of integers. Received: {what}")
    if labels.shape != (count,):
        raise ValueError(
            f"Argument `labels` must have the shape ({count},), one label for each image. "
            f"Received: shape {labels.shape}"
        )


def _check_names(names):
    names = tuple(names) if not isinstance(names, str) else (None,)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            "Argument `class_names` must be a tuple of at least one string. "
            f"Received: class_names={_short(names)}"
        )
    if list(names) != sorted(set(names)):
        raise ValueError(
            "Argument `class_names` must be sorted and name every class once. "
            f"Received: class_names={_short(names)}"
        )
    return names


def _short(names):
    return repr(names) if len(names) <= 6 else repr(names[:6])[:-1] + f", ... {len(names)} in all"
