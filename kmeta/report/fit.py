"""`write_fit_report`: a classifier of own pictures as one self-contained HTML page."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from kmeta import plots
from kmeta.data.files import FileTree, decode
from kmeta.edge.pixels import plain
from kmeta.edge.scoring import softmax
from kmeta.evaluation.confusion import confusion_matrix
from kmeta.placing import replaced
from kmeta.plots.confusion import MOST
from kmeta.plots.plane import draw_classes
from kmeta.report.page import document, picture, section, table, tag

SIDE = 112  # of the small pictures
SHOWN = 12  # pictures of a class, and errors
NEAREST = 3


def write_fit_report(classifier, folder, out, overwrite=True):
    """Write one HTML page on a classifier of a folder of pictures; it needs no other file.

    The pictures of each class, near-duplicates, left-out pictures that were told wrong, with what
    they were taken for and the support pictures nearest to them, confusions, and confidence against
    accuracy. All is about pictures that the classifier learned from, and says so.

    Args:
        classifier: `kmeta.FewShotClassifier.from_directory(folder)`.
        folder: the same folder or archive; only the pictures that are shown are read again.
        out: the file to write, whole or not at all.
        overwrite: whether it may replace a file that is there.

    Returns:
        The path of the page, as `pathlib.Path`.

    Raises:
        ValueError: if the classifier was not made of a folder, or has been changed since.
    """
    if classifier.files is None:
        raise ValueError(
            "Argument `classifier` must be made by from_directory, and not changed since"
        )
    with FileTree(folder) as tree:
        small = _Small(tree, classifier.files)
        parts = [_head(classifier), _classes(classifier, small), _duplicates(classifier, small)]
        estimate = classifier.tried[classifier.backbone]
        if estimate is not None:
            parts += [_errors(classifier, estimate, small), *_charts(classifier, estimate)]
        parts.append(_plane(classifier))
    page = document("Classifier of own pictures", tag("main", *parts))
    with replaced(out, overwrite) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(out)


class _Small:
    """Small pictures by their numbers, read when they are asked for."""

    def __init__(self, tree, files):
        self.tree, self.files = tree, files

    def __call__(self, number, caption=None):
        name = self.files[number]
        image = plain(decode(self.tree.read(name), name)).convert("RGB")
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return picture(buffer.getvalue(), caption or name.rsplit("/", 1)[-1], name)


def _head(classifier):
    rows = [
        (name, f"{100 * found.accuracy:.1f} %")
        for name, found in classifier.tried.items()
        if found is not None
    ]
    estimate = classifier.tried[classifier.backbone]
    score = "One picture of each class: nothing can be left out" if not estimate else str(estimate)
    return tag(
        "section",
        tag("h1", f"Classifier of {len(classifier.class_names)} classes"),
        tag("p", f"Backbone {classifier.backbone}", class_="note"),
        tag("p", score, class_="score"),
        tag(
            "p",
            "An estimate from the pictures that were learned from. It holds for new pictures taken "
            "like these, not for another place, light or camera: those tell who score labelled "
            "pictures of their own, kmeta evaluate BUNDLE FOLDER.",
            class_="note",
        ),
        table(rows, ("tried", "left-out pictures told right")) if rows else "",
    )


def _classes(classifier, small):
    parts = []
    for name in classifier.class_names:
        numbers = classifier.pictures_of_class(name)
        parts.append(tag("h3", f"{name} ({len(numbers)})"))
        parts.append(tag("div", *(small(number) for number in numbers[:SHOWN]), class_="small"))
        if len(numbers) > SHOWN:
            parts.append(tag("p", f"and {len(numbers) - SHOWN} more", class_="note"))
    return section("Classes", *parts)


def _duplicates(classifier, small):
    groups = classifier.near_duplicates()
    if not groups:
        return section("Near-duplicates", tag("p", "None."))
    parts = [tag("p", "Nearly the same, and left out together: they tell little of one another.")]
    for group in groups[:SHOWN]:
        shown = (small(number, small.files[number]) for number in group[:SHOWN])
        parts.append(tag("div", *shown, class_="small"))
    return section("Near-duplicates", *parts)


def _errors(classifier, estimate, small):
    wrong = np.flatnonzero(estimate.answers != estimate.labels)
    parts = [tag("p", f"{len(wrong)} of {len(estimate.labels)} left-out pictures were told wrong.")]
    for i in wrong[:SHOWN]:
        number, names = estimate.images[i], classifier.class_names
        own, other = names[estimate.labels[i]], names[estimate.answers[i]]
        near = classifier.nearest(number, NEAREST)
        parts.append(tag("p", f"{own}, taken for {other}; and the pictures nearest to it:"))
        parts.append(
            tag(
                "div",
                small(number, small.files[number]),
                *(small(n, f"{small.files[n]} ({cosine:.2f})") for n, cosine in near),
                class_="small",
            )
        )
    return section("Left-out pictures told wrong", *parts)


def _charts(classifier, estimate):
    names, way = classifier.class_names, len(classifier.class_names)
    if way <= MOST:
        caption = "What left-out pictures were taken for"
        matrix = confusion_matrix(estimate.labels, estimate.answers, way)
        chart = plots.draw_confusion(matrix, None, names)
        yield section("Confusion", picture(chart, caption, caption))
    caption = f"Confidence and accuracy of {len(estimate.labels)} left-out pictures"
    probabilities = softmax(estimate.logits / classifier.temperature)
    chart = plots.draw_reliability(probabilities, estimate.labels)
    yield section("Reliability", picture(chart, caption, caption))


def _plane(classifier):
    names = classifier.class_names
    if len(names) > MOST:
        return section("Plane of the classes", tag("p", f"More than {MOST} classes are not drawn."))
    labels = np.zeros(len(classifier.files), int)
    for label, name in enumerate(names):
        labels[classifier.pictures_of_class(name)] = label
    caption = "What the backbone sees in the pictures, in the plane in which they differ most"
    chart = draw_classes(classifier.features(), labels, None, names)
    return section("Plane of the classes", picture(chart, caption, caption))
