"""Which classes are taken for which."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int) -> np.ndarray:
    """Count what each class is taken for.

    Of a `Classifier`: `confusion_matrix(labels, classifier.predict(images).argmax(-1), way)`.

    Args:
        labels: int array of any shape, the true classes, in 0..classes-1.
        predictions: int array of the same shape, the predicted ones.
        classes: how many there are.

    Returns:
        int `[classes, classes]`: row i, column j counts the items of class i that were taken for j.

    Raises:
        ValueError: if an argument is not of this form.

    >>> confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], 3)
    array([[1, 1, 0],
           [0, 1, 0],
           [0, 0, 1]])
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"Argument `predictions` must have the shape of `labels`, {labels.shape}. "
            f"Received: shape {predictions.shape}"
        )
    for name, values in (("labels", labels), ("predictions", predictions)):
        whole = values.dtype.kind in "iu"
        if not whole or values.min(initial=0) < 0 or values.max(initial=0) >= classes:
            raise ValueError(
                f"Argument `{name}` must hold integers in 0..{classes - 1}. "
                f"Received: {values.dtype} from {values.min()} to {values.max()}"
            )
    numbers = np.ravel(labels).astype(int) * classes + np.ravel(predictions)
    return np.bincount(numbers, minlength=classes**2).reshape(classes, classes)


def confusion_over_episodes(learner: Any, episodes: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Count what each class is taken for over the tasks of `kmeta.Episodes`.

    It says most where every task has all classes: episodes whose `way` is the number of classes of
    their data, such as those of `dataset.subset(names)`.

    Args:
        learner: a `MetaLearner`.
        episodes: `kmeta.Episodes`, without `rotations`; from the first one on.

    Returns:
        `(matrix, class_names)`: int `[classes, classes]`, see `confusion_matrix`, and the names of
        its rows, those of the data.

    Raises:
        ValueError: if an argument is none of those above.

    >>> few = kmeta.data.load("glyphs", "val").subset(range(3))
    >>> tasks = kmeta.Episodes(few, way=3, shot=1, query=2, steps=4)
    >>> matrix, names = confusion_over_episodes(kmeta.load("prototypical-omniglot"), tasks)
    >>> matrix.sum(axis=1), names[0]
    (array([8, 8, 8]), 'script21/character01')
    """
    from kmeta.learners.meta_learner import MetaLearner  # TensorFlow loads here
    from kmeta.learners.streams import rewound

    if not isinstance(learner, MetaLearner):
        raise ValueError(
            f"Argument `learner` must be a kmeta learner. Received: {type(learner).__name__}"
        )
    if not hasattr(episodes, "class_names_of") or episodes.rotations:
        raise ValueError(
            "Argument `episodes` must be kmeta.Episodes without rotations. "
            f"Received: {type(episodes).__name__}"
            + (" with rotations" if getattr(episodes, "rotations", False) else "")
        )
    class_names = episodes.dataset.class_names
    numbers = {name: number for number, name in enumerate(class_names)}
    matrix = np.zeros((len(class_names),) * 2, int)
    with rewound(episodes):
        for index in range(len(episodes)):
            episode, query_y = episodes[index]
            answers = learner.predict_on_batch(episode).argmax(-1)
            of_label = np.array(
                [[numbers[name] for name in task] for task in episodes.class_names_of(index)]
            )
            matrix += confusion_matrix(
                np.take_along_axis(of_label, query_y, 1),
                np.take_along_axis(of_label, answers, 1),
                len(class_names),
            )
    return matrix, class_names
