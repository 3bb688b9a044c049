"""The pictures that a `FewShotClassifier` learned from: what is kept of them, and their classes."""

import dataclasses
import functools

import numpy as np

from kmeta.few_shot import duplicates


@dataclasses.dataclass(frozen=True)
class SupportSet:
    """Pictures and their classes; what changes it returns another one.

    items: what is kept of each picture, `[n, ...]`, see `kmeta.few_shot.album.Album`.
    labels: int `[n]`, each from 0 to way - 1.
    class_names: of the classes.
    known_groups: `groups`, where they have been found already; they are found anew of changed sets.

    >>> two = SupportSet(np.array([[0.0], [1.0]]), np.array([0, 1]), ["dark", "light"])
    >>> two.with_items("red", np.array([[5.0], [6.0]])).counts
    array([1, 1, 2])
    """

    items: np.ndarray
    labels: np.ndarray
    class_names: list[str]
    known_groups: list[np.ndarray] | None = None

    @property
    def counts(self) -> np.ndarray:
        """Pictures of each class: int `[way]`."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    @functools.cached_property
    def groups(self) -> list[np.ndarray]:
        """Near-duplicates, see `kmeta.few_shot.duplicates.groups`."""
        if self.known_groups is not None:
            return self.known_groups
        return duplicates.groups(self.items, self.labels)

    def of_class(self, name: str) -> np.ndarray:
        """Which of the pictures are of a class, int `[shots]`.

        Raises:
            ValueError: if there is no such class.
        """
        if name not in self.class_names:
            raise ValueError(
                f"Argument `name` must be one of {self.class_names}. Received: {name!r}"
            )
        return np.flatnonzero(self.labels == self.class_names.index(name))

    def with_items(self, name: str, items: np.ndarray) -> "SupportSet":
        """With more pictures of a class; one that is new is the last."""
        known = name in self.class_names
        names = self.class_names if known else [*self.class_names, name]
        labels = np.full(len(items), names.index(name))
        return SupportSet(
            np.concatenate([self.items, items]), np.concatenate([self.labels, labels]), names
        )

    def without(self, name: str) -> "SupportSet":
        """Without a class.

        Raises:
            ValueError: if there is no such class, or only two are left.
        """
        gone = self.of_class(name)
        if len(self.class_names) == 2:
            raise ValueError("Two classes must remain: add another one first")
        label, labels = self.class_names.index(name), np.delete(self.labels, gone)
        names = [other for other in self.class_names if other != name]
        return SupportSet(np.delete(self.items, gone, axis=0), labels - (labels > label), names)
