"""How well own pictures are told: `python benchmarks/photos.py [PART ...] [--cache FOLDER]`.

Parts: `packages` (photographs of milk and juice), `cifar100` (its test half), `omniglot` (drawings,
the evaluation half), `large` (10,000 pictures in 200 classes, time and memory). The data are found
in the folder that KMETA_DATA names. Features of a data set are kept in `--cache` between runs, so
that further draws cost nothing but arithmetic.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import kmeta
from kmeta.data.directory import read_classes
from kmeta.evaluation.open_set import auroc
from kmeta.few_shot import choosing, closed_form, duplicates, left_out
from kmeta.few_shot.album import Album
from kmeta.few_shot.duplicates import whole

DATA = Path(os.environ.get("KMETA_DATA", "."))
DRAWS, COVERED = 100, 200


def looked_at(cache, name, backbone, images):
    """Features of images by "photos", "prototypical-omniglot" or raw pixels, kept in a file."""
    if backbone == choosing.PIXELS:
        album = choosing.pixel_album()
    else:
        album = Album(kmeta.load(backbone), invert=False)
    file = cache / f"{name}-{backbone.replace(' ', '-')}.npy"
    if not file.exists():
        for image in images:
            album.add(image)
        np.save(file, album.close())
    return album.learner, np.load(file)


def draw(labels, way, shot, seed):
    """Support and query indices of a random task, and their labels from 0 on."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(labels.max() + 1)[:way]
    support = [rng.permutation(np.flatnonzero(labels == label))[:shot] for label in classes]
    support = np.concatenate(support)
    queries = np.setdiff1d(np.flatnonzero(np.isin(labels, classes)), support)
    to_number = np.vectorize({label: number for number, label in enumerate(classes)}.get)
    return support, queries, to_number(labels[support]), to_number(labels[queries])


def scored(learner, x, labels, way, shot, draws, unknown=None, estimates=0):
    """Mean accuracy over random tasks, AUROC of `unknown`, and how often the range held."""
    hits, areas, held = [], [], []
    for seed in range(max(draws, estimates)):
        support, queries, y, query_y = draw(labels, way, shot, seed)
        one_hot = np.eye(way, dtype="float32")[y]
        logits = left_out.adapted_logits(learner, x[support], one_hot, whole(x[queries]))
        true = float((logits.argmax(-1) == query_y).mean())
        if seed < draws:
            hits.append(true)
        if seed < draws and unknown is not None:
            others = left_out.adapted_logits(learner, x[support], one_hot, whole(unknown))
            areas.append(auroc(logits.max(-1), others.max(-1)))
        if seed < estimates:
            groups = duplicates.groups(x[support], y)
            found = left_out.estimate(learner, x[support], y, list(range(way)), groups)
            held.append(found.interval[0] <= true <= found.interval[1])
    text = f"{100 * np.mean(hits):.1f} % +- {196 * np.std(hits) / np.sqrt(len(hits)):.1f}"
    text += f" ({way} classes, {shot} pictures each, {draws} draws)"
    if areas:
        text += f"; AUROC of unknown {np.mean(areas):.3f}"
    return text + (f"; range held in {100 * np.mean(held):.1f} % of {estimates}" if held else "")


def packages(cache):
    """The given split by the command line, and random draws from both halves together."""
    place = DATA / "photos" / "packages"
    with tempfile.TemporaryDirectory() as folder:
        command = ["fit", place / "support", "--out", f"{folder}/bundle", "--calibrate"]
        command += ["--test", place / "test"]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "kmeta.cli.main", *map(str, command)],
            capture_output=True,
            text=True,
            check=True,
        )
        print(f"kmeta fit: {time.perf_counter() - start:.0f} s\n{done.stdout}")
    images, labels = [], []
    for part in ("support", "test", "others"):
        found = read_classes(place / part, lambda image: image.copy())
        images.append(found.pictures)
        labels.append(np.array(found.labels))
    known, y = images[0] + images[1], np.concatenate(labels[:2])
    for backbone in (*choosing.TRIED, choosing.PIXELS):
        learner, x = looked_at(cache, "packages", backbone, known + images[2])
        text = scored(learner, x[: len(y)], y, 8, 5, DRAWS, x[len(y) :], COVERED)
        print(f"packages, {backbone}: {text}", flush=True)


def cifar100(cache):
    """Ten random classes, of each the first 25 pictures; of the backbones that are tried photos is
    taken in nearly all draws."""
    found = read_classes(DATA / "cifar100" / "test.zip", lambda image: image.copy())
    first = [np.flatnonzero(np.array(found.labels) == label)[:25] for label in range(100)]
    labels, pictures = np.repeat(np.arange(100), 25), [found.pictures[i] for i in np.ravel(first)]
    for backbone in (*choosing.TRIED, choosing.PIXELS):
        learner, x = looked_at(cache, "cifar100", backbone, pictures)
        text = scored(learner, x, labels, 10, 5, DRAWS, None, COVERED)
        print(f"CIFAR-100, {backbone}: {text}", flush=True)


def omniglot(cache):
    """Drawings of twenty characters."""
    found = kmeta.data.load("omniglot", "evaluation", antialias=True)
    images = found.images.astype("float32") / np.float32(255)
    learner, x = looked_at(cache, "omniglot", "prototypical-omniglot", images)
    text = scored(learner, x, found.labels, 20, 5, DRAWS, None, COVERED)
    print(f"Omniglot, prototypical-omniglot: {text}", flush=True)


def large(cache):
    """10,000 pictures in 200 classes: made-up features of the size of photographs' ones."""
    del cache
    rng = np.random.default_rng(0)
    labels = np.arange(10_000) % 200
    x = np.abs(rng.normal(size=(200, 1280))[labels] + 2 * rng.normal(size=(10_000, 1280)))
    start = time.perf_counter()
    groups = duplicates.groups(x, labels)
    closed_form.ridge(x, labels, groups, 0.3)
    print(
        f"left-out estimate of 10,000 pictures: {time.perf_counter() - start:.0f} s, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most"
    )


def main():
    """Run the parts that are named, or all."""
    parts = {part.__name__: part for part in (packages, cifar100, omniglot, large)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "kmeta-photos"))
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    for name in arguments.parts or parts:
        parts[name](arguments.cache)


if __name__ == "__main__":
    main()
