"""Bundles in 8-bit integers: what to calibrate with, and what the integers may cost."""

import dataclasses
import math
import pathlib
import shutil
import tempfile
from typing import Any

import numpy as np

from kmeta.edge.images import to_float
from kmeta.episode import Episode
from kmeta.exporting import parity, scoring

_VNNI = {"avx512_vnni", "avx_vnni"}
_ALWAYS = ("classifier",)  # files that must have layers


@dataclasses.dataclass(frozen=True)
class Int8:
    """How `kmeta.export` is to quantise the ONNX files of a bundle, its argument `quantize`.

    calibration: `kmeta.Episodes`, whose images show the ranges of all activations; some hundred
        images like those that will be met.
    scored: `kmeta.Episodes`, better of other images, on which float and int8 are compared.
    max_drop: percentage points of accuracy that int8 may lose on them.
    reduce_range: weights in 7 bits, which processors without VNNI need. Default: as this machine
        needs it; True if the bundle is to run elsewhere and that is not known.

    Raises:
        ValueError: if an argument is none of those.

    Example:
        >>> seen, others = (kmeta.data.load("glyphs", split) for split in ("val", "test"))
        >>> episodes = dict(way=5, shot=1, query=1, steps=4)
        >>> tasks = (kmeta.Episodes(data, **episodes) for data in (seen, others))
        >>> settings = Int8(*tasks, max_drop=100)
        >>> learner = kmeta.PrototypicalNetwork(kmeta.layers.Conv4(filters=4))
        >>> classifier = learner.adapt(seen.images[:40] / np.float32(255), seen.labels[:40])
        >>> report = kmeta.export(classifier, "bundle", quantize=settings)
        >>> report.quantization.calibration_images, report.quantization.drop <= 100
        (40, True)
    """

    calibration: Any
    scored: Any
    max_drop: float = 1.0
    reduce_range: bool | None = None

    def __post_init__(self) -> None:
        for name in ("calibration", "scored"):
            value = getattr(self, name)
            if not hasattr(value, "manifest") or not isinstance(value[0][0], Episode):
                raise ValueError(
                    f"Argument `{name}` must be kmeta.Episodes. Received: {type(value).__name__}"
                )
        known = isinstance(self.max_drop, (int, float)) and not isinstance(self.max_drop, bool)
        if not known or not 0 <= self.max_drop <= 100:
            raise ValueError(
                "Argument `max_drop` must be percentage points, from 0 to 100. "
                f"Received: max_drop={self.max_drop!r}"
            )
        if self.reduce_range not in (None, True, False):
            raise ValueError(
                "Argument `reduce_range` must be True, False or None. "
                f"Received: reduce_range={self.reduce_range!r}"
            )

    def check(self, classifier: Any) -> None:
        """Raise ValueError unless a classifier can be quantised and scored so."""
        if not classifier.can_grow:
            raise ValueError(
                "Argument `quantize` needs a metric learner (Prototypical, Matching, Siamese, "
                "Relation), which adapts in ONNX, where int8 can be scored on tasks. Received: a "
                f"classifier of {type(classifier.learner).__name__}"
            )
        for name in ("calibration", "scored"):
            shape = tuple(getattr(self, name)[0][0].image_shape)
            if shape != tuple(classifier.image_shape):
                raise ValueError(
                    f"Argument `{name}` must have images of {tuple(classifier.image_shape)}, as "
                    f"the classifier. Received: {shape}"
                )

    def sample(self) -> np.ndarray:
        """Images `[n, ...]` to verify a bundle with."""
        return self.scored[0][0].query_x[0][:8]


@dataclasses.dataclass(frozen=True)
class Quantization:
    """What quantising did to a bundle; in its manifest under `quantization`.

    reduce_range: whether weights have 7 bits.
    calibration_images: how many there were.
    size: of the ONNX files, bytes, `{"float": n, "int8": n}`.
    latency: of one image through `classifier.onnx` on one thread, median in milliseconds.
    accuracy: mean over the scored episodes, 0 to 1; `interval`, half the width of the 95 %
        interval of the fall.
    max_drop: points of accuracy that might be lost.
    episodes: what identifies those scored.
    differences: largest differences from Keras on the bundle's sample, by signature, as `parity`.
    tolerance: of the probabilities of the sample on another processor, which rounds differently.

    Example:
        >>> print(Quantization(
        ...     reduce_range=True, calibration_images=300, size={"float": 850_000, "int8": 230_000},
        ...     latency={"float": 0.15, "int8": 0.11}, max_drop=1.0, episodes={},
        ...     accuracy={"float": 0.976, "int8": 0.975, "interval": 0.002},
        ...     differences={"serving_default": 0.004}, tolerance=0.009,
        ... ))
        int8            before       after
        ONNX files      850 kB      230 kB
        one image     0.150 ms    0.110 ms
        accuracy       97.60 %     97.50 %
        a fall of 0.10 +- 0.20 points; weights in 7 bits; largest difference from Keras 4.0e-03
    """

    reduce_range: bool
    calibration_images: int
    size: dict[str, int]
    latency: dict[str, float]
    accuracy: dict[str, float]
    max_drop: float
    episodes: dict[str, Any]
    differences: dict[str, float]
    tolerance: float

    def __str__(self):
        size, latency, accuracy = self.size, self.latency, self.accuracy
        interval = 100 * accuracy["interval"]
        rows = [
            ("int8", "before", "after"),
            ("ONNX files", *(f"{size[kind] / 1e3:.0f} kB" for kind in ("float", "int8"))),
            ("one image", *(f"{latency[kind]:.3f} ms" for kind in ("float", "int8"))),
            ("accuracy", *(f"{100 * accuracy[kind]:.2f} %" for kind in ("float", "int8"))),
        ]
        table = "\n".join(f"{name:<12}{a:>10}{b:>12}" for name, a, b in rows)
        return (
            f"{table}\na fall of {self.drop:.2f} +- {interval:.2f} points; weights in "
            f"{7 if self.reduce_range else 8} bits; largest difference from Keras "
            f"{max(self.differences.values()):.1e}"
        )

    @property
    def drop(self) -> float:
        """Percentage points of accuracy lost."""
        return 100 * (self.accuracy["float"] - self.accuracy["int8"])


def needs_reduced_range(cpuinfo="/proc/cpuinfo"):
    """Whether weights need 7 bits on this processor; True where that is not known."""
    try:
        lines = pathlib.Path(cpuinfo).read_text(encoding="utf-8").splitlines()
    except OSError:
        return True
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _VNNI & set(flags.split())


def apply(settings, folder):
    """Replace the ONNX files of a bundle in the making by their int8 form.

    Args:
        settings: `Int8`.
        folder: with the ONNX files, proved against Keras, and all that belongs to them.

    Returns:
        `Quantization`.

    Raises:
        ValueError: if there is nothing to quantise, or accuracy falls by more than
            `settings.max_drop`.
    """
    from kmeta.exporting import quantizer  # onnx loads here

    reduce_range = settings.reduce_range
    reduce_range = needs_reduced_range() if reduce_range is None else reduce_range
    with tempfile.TemporaryDirectory() as kept:
        kept = pathlib.Path(kept)
        for path in list(folder.glob("*.onnx")):
            shutil.move(path, kept / path.name)
        before = scoring.models(kept)
        tasks = [_whole(*task) for task in scoring.tasks(settings.calibration)]
        known = [_inputs(before, images, labels) for images, labels in tasks]
        for path in sorted(kept.iterdir()):
            if path.stem in _ALWAYS or quantizer.has_layers(path):
                batches = [given[path.stem] for given in known]
                quantizer.quantize(path, folder / path.name, batches, reduce_range)
            else:
                shutil.copy(path, folder / path.name)
        after = scoring.models(folder)
        accuracy = scoring.accuracy(before, after, settings.scored)
        _refuse_fall(accuracy, settings)
        differences = parity.measure(folder, math.inf)["onnx"]
        with np.load(folder / "sample.npz") as sample:
            image = to_float(sample["images"][:1], "sample")
        latency = scoring.latency(before, after, image)
        return Quantization(
            reduce_range=reduce_range,
            calibration_images=sum(len(images) for images, _ in tasks),
            size={"float": _size(kept), "int8": _size(folder)},
            latency=latency,
            accuracy=accuracy,
            max_drop=settings.max_drop,
            episodes=settings.scored.manifest(),
            differences=differences,
            tolerance=1e-3 + 2 * differences["serving_default"],
        )


def _whole(support_images, support_labels, queries, query_labels):
    """All images of a task and their labels."""
    return (
        np.concatenate([support_images, queries]),
        np.concatenate([support_labels, query_labels]),
    )


def _inputs(models, images, labels):
    """What every file may take, so that the layers of all see the same images."""
    embedded = models.run("embed", {"images": images})
    support = {"support_images": images, "support_labels": labels}
    given = {"images": images}
    return {
        "classifier": given,
        "views": given,
        "support": given,
        "classify": {**embedded, **models.run("adapt", support)},
        "adapt": {"support_embeddings": models.support(images), "support_labels": labels},
        "resize": {"raw_images": np.round(images * 255).astype("uint8")},
    }


def _refuse_fall(accuracy, settings):
    fall = 100 * (accuracy["float"] - accuracy["int8"])
    if fall > settings.max_drop:
        raise ValueError(
            f"int8 may lose max_drop={settings.max_drop:g} points of accuracy; no bundle was "
            f"written. Received: {100 * accuracy['float']:.2f} % before, "
            f"{100 * accuracy['int8']:.2f} % after, a fall of {fall:.2f} points. Calibrate with "
            "images like those that will be met, or with more"
        )


def _size(folder):
    return sum(path.stat().st_size for path in folder.glob("*.onnx"))
