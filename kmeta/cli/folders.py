"""Whole folders of pictures: answers as CSV, and scores of labelled ones."""

import csv
import sys
import warnings

import numpy as np

from kmeta.cli.classifiers import opened
from kmeta.data.directory import check_classes, pictures_below
from kmeta.data.files import FileTree, decode
from kmeta.edge.pixels import fitted, plain

BATCH = 32  # pictures looked at together


def write_csv(classifier, folder, invert, out=None, nearest=0):
    """Write `file,label,score` and the probability of each class for all pictures of a folder.

    classifier: a bundle in use, or a `kmeta.Classifier`. Pictures that cannot be read are left out,
    with a warning.
    nearest: how many of the pictures that a bundle learned from, and are most like each, to name.
    """
    writer = csv.writer(out or sys.stdout, lineterminator="\n")
    names = [f"nearest {place + 1}" for place in range(nearest)]
    writer.writerow(["file", "label", "score", *classifier.class_names, *names])
    shape, waiting = tuple(classifier.image_shape), []

    def flush():
        images = np.stack([image for _, image in waiting])
        images = 1 - images if invert else images
        near = classifier.nearest(images, nearest) if nearest else [()] * len(images)
        answers = classifier.answers(images)
        for (file, _), row, label, score, like in zip(waiting, *answers, near, strict=True):
            shares = [f"{p:.4f}" for p in row]
            writer.writerow([file, label, f"{score:.4f}", *shares, *(name for name, _ in like)])
        waiting.clear()

    with FileTree(folder) as tree:
        for file in pictures_below(tree):
            try:
                image = plain(decode(tree.read(file), file))
            except ValueError as error:
                warnings.warn(str(error), stacklevel=2)
                continue
            waiting.append((file, fitted(image, shape, classifier.crop)))
            if len(waiting) == BATCH:
                flush()
    if waiting:
        flush()


def score_bundle(path, folder):
    """Print how many labelled pictures of a folder a bundle, or a .keras file, tells right."""
    check_classes(folder)  # errors before anything is loaded
    from kmeta.evaluation.labelled import score_folder

    print(score_folder(opened(path), folder))
