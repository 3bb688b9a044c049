"""Classifiers that a command is given by a path."""

from pathlib import Path

from kmeta.cli.quiet import import_keras


def opened(path):
    """A bundle or a classifier; both have `answers`."""
    if Path(path).is_dir():
        from kmeta.exporting import load_bundle

        return load_bundle(path)
    return load_classifier(path)


def load_classifier(path):
    """Return the classifier in a .keras file; raises ValueError where it holds anything else."""
    from kmeta.runs.folder import check_loadable

    check_loadable(path)
    import_keras()
    from kmeta.learners.classifier import Classifier
    from kmeta.runs.loading import load

    classifier = load(path)
    if not isinstance(classifier, Classifier):
        raise ValueError(
            f"{path} holds a {type(classifier).__name__}, not a classifier; `kmeta adapt` makes one"
        )
    return classifier
