"""`kmeta.export`: write a bundle, and prove it before anybody can see it."""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kmeta.edge import arrays, place
from kmeta.edge.images import to_float
from kmeta.edge.thumbnails import FILE, Thumbnails
from kmeta.exporting import int8, manifest, parity

_STORED = 3  # images of a sample


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What `kmeta.export` wrote.

    path: the bundle's folder, absolute.
    saved_model_difference, onnx_difference: largest difference from Keras on the sample, over all
        signatures.
    size: of all files, in bytes.
    quantization: `kmeta.exporting.Quantization` of an int8 bundle, whose `onnx_difference` is that
        of the float files it was made of; else None.

    Example:
        >>> print(ExportReport(pathlib.Path("/bundle"), 2e-7, 3e-7, size=1_250_000))
        Bundle /bundle: 1.25 MB, largest difference from Keras 2.0e-07 (SavedModel), 3.0e-07 (ONNX)
    """

    path: pathlib.Path
    saved_model_difference: float
    onnx_difference: float
    size: int
    quantization: int8.Quantization | None = None

    def __str__(self):
        text = (
            f"Bundle {self.path}: {self.size / 1e6:.2f} MB, largest difference from Keras "
            f"{self.saved_model_difference:.1e} (SavedModel), {self.onnx_difference:.1e} (ONNX)"
        )
        return text if self.quantization is None else f"{text}\n{self.quantization}"


def export(
    classifier: Any,
    directory: str | os.PathLike[str],
    sample: ArrayLike | None = None,
    overwrite: bool = False,
    tolerance: float = 1e-5,
    quantize: int8.Int8 | None = None,
    pictures: Sequence[str] | None = None,
    thumbnails: Thumbnails | None = None,
) -> ExportReport:
    """Write a classifier as a bundle that runs without kmeta and without Keras.

    The bundle holds `saved_model/1/`, with the signatures of `kmeta.exporting.endpoints`; the same
    as ONNX: `classifier.onnx`, which any runtime loads by itself, and of metric learners small
    files that work on what it makes of images, `adapt.onnx` and `classify.onnx`; `state.npz`, the
    classes of a metric learner, to which others can be added; `sample.npz` (a few images, and what
    Keras makes of them) and `manifest.json` (see `kmeta.exporting.manifest`). Weights stand once in
    the SavedModel and once in ONNX. Images are float32 `[batch, *image_shape]` in [0, 1],
    probabilities `[batch, way]`. Learners that are not metric adapt in the SavedModel only.

    All models are loaded in a fresh process that can import neither kmeta nor Keras, and compared
    with Keras on the sample. Only then does the bundle appear at `directory`, as a whole: after an
    error, or when the process is killed, what was at `directory` before is still there.

    Args:
        classifier: `kmeta.Classifier`, as `learner.adapt` returns it.
        directory: folder of the bundle; new, or empty. Parents are created.
        sample: images `[n, *image_shape]`, float in [0, 1] or uint8, to verify with and to store:
            up to three of them, as 8-bit pixels. The support images are a good choice. Default: 3
            images of uniform noise, the same every time. A single image is taken twice, to verify
            a batch.
        overwrite: replace the bundle that is at `directory`. A folder that holds other things is
            never replaced.
        tolerance: largest absolute difference of a probability allowed; of embeddings and of the
            state, relative to the largest number in them where that is above 1.
        quantize: `kmeta.exporting.Int8`, for ONNX files in 8-bit integers. They are made of the
            float files once these have passed, about a third in size, and differ from Keras
            by what the manifest says. Such a bundle is for devices and has no SavedModel. Metric
            learners only.
            The default of `sample` is then some of the images scored.
        pictures: names of the support images, in the order in which they were learned, by which
            devices name those nearest to others.
        thumbnails: small copies of some of them, see `kmeta.edge.thumbnails`, by which pages show
            them.

    Returns:
        `ExportReport`.

    Raises:
        ValueError: if an argument is wrong, if `directory` is in use, if ONNX has no counterpart
            for an operation of the network, if the learner computes in other than float32, if a
            difference is above `tolerance`, or if accuracy falls by more than `quantize.max_drop`.
            Also if Keras runs on another backend than TensorFlow.
        RuntimeError: if the fresh process could not run the models.

    Example:
        >>> network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
        >>> images = np.eye(8, dtype="float32").reshape(2, 4, 4, 2)[..., :1]
        >>> classifier = kmeta.PrototypicalNetwork(network).adapt(images, ["left", "right"])
        >>> report = kmeta.export(classifier, "bundle", images)
        >>> report.onnx_difference < 1e-5
        True
        >>> kmeta.exporting.load_bundle("bundle").label(images)[0]
        ['left', 'right']
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Bundles are made by TensorFlow: save the learner, set the environment variable "
            "KERAS_BACKEND to tensorflow, and load, adapt and export it there. "
            f"Received: a classifier of Keras' backend {keras.backend.backend()!r}"
        )
    _check_classifier(classifier)
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not tolerance > 0:
        raise ValueError(
            f"Argument `tolerance` must be a positive number. Received: tolerance={tolerance!r}"
        )
    if quantize is not None:
        _check_quantize(quantize, classifier)
        sample = quantize.sample() if sample is None else sample
    pixels = _sample(sample, classifier.image_shape)
    directory = place.check(directory, overwrite)
    with place.building(directory, overwrite) as folder:
        signatures = _write(classifier, pixels, folder, thumbnails)
        differences = parity.measure(folder, tolerance)
        quantization = None if quantize is None else int8.apply(quantize, folder)
        if quantization is not None:
            shutil.rmtree(folder / "saved_model")
            signatures = {n: x for n, x in signatures.items() if n in differences["onnx"]}
        about = (signatures, differences, tolerance, quantization, pictures)
        manifest.write(folder, classifier, *about)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return ExportReport(
        directory,
        parity.largest(differences["saved_model"]),
        parity.largest(differences["onnx"]),
        size,
        quantization,
    )


def _write(classifier, pixels, folder, thumbnails):
    """Write all files but the manifest; returns the manifest's `signatures`."""
    from kmeta.exporting import (  # TensorFlow loads here
        endpoints,
        onnx_model,
        samples,
        saved_model,
        warmup,
    )

    table = endpoints.table(classifier)
    functions = saved_model.trace(table)
    sample = samples.make(classifier, functions, pixels)
    arrays.write(folder / "sample.npz", sample)
    state = samples.state(classifier) if classifier.can_grow else {}
    if state:
        arrays.write(folder / "state.npz", state)
    if thumbnails is not None:
        if "embedded" in state:
            thumbnails = thumbnails._replace(features=None, labels=None)
        arrays.write(folder / FILE, thumbnails.arrays())
    model = folder / "saved_model" / "1"
    saved_model.save(functions, os.fspath(model), classifier.class_names)
    warmup.save(functions, sample["support_labels"], state, model)
    for name, endpoint in endpoints.graphs(classifier).items():
        metadata = manifest.essentials(classifier, name == "classifier")
        onnx_model.save(endpoint, os.fspath(folder / f"{name}.onnx"), metadata)
    return {
        name: saved_model.describe(functions[name], endpoint.dimensions)
        for name, endpoint in table.items()
    }


def _check_classifier(classifier):
    from kmeta.learners.classifier import Classifier
    from kmeta.learners.meta_learner import MetaLearner

    if isinstance(classifier, MetaLearner):
        raise ValueError(
            "Argument `classifier` must be a `kmeta.Classifier`. Received: a learner, "
            f"{type(classifier).__name__}; adapt it to a support set first: "
            "`learner.adapt(support_x, support_y)` returns a classifier"
        )
    if not isinstance(classifier, Classifier):
        raise ValueError(
            "Argument `classifier` must be a `kmeta.Classifier`, as `learner.adapt` returns it. "
            f"Received: {type(classifier).__name__}"
        )
    classifier.logits(np.zeros((1, *classifier.image_shape), "float32"))  # as many as its names?
    learner = classifier.learner
    dtypes = {weight.dtype for weight in learner.weights}
    dtypes |= {learner.compute_dtype, learner.network.compute_dtype}
    unknown = sorted(dtypes & {"float16", "bfloat16", "float64"})
    if unknown:
        raise ValueError(
            "Argument `classifier` must compute in float32, as ONNX runtimes do. "
            f"Received: a classifier whose learner computes in {unknown[0]}; make the learner and "
            "its network anew with `dtype='float32'`, and give it the weights by `set_weights`"
        )


def _check_quantize(quantize, classifier):
    if not isinstance(quantize, int8.Int8):
        raise ValueError(
            f"Argument `quantize` must be a `kmeta.exporting.Int8`. Received: {quantize!r}"
        )
    quantize.check(classifier)


def _sample(sample, image_shape):
    """Up to three images of those given, evenly spread, as they are stored."""
    are_pictures = len(image_shape) > 1  # else vectors
    if sample is None:
        random = np.random.default_rng(0)
        shape = (_STORED, *image_shape)
        if are_pictures:
            return random.integers(0, 256, shape, dtype="uint8")
        return random.random(shape, dtype="float32")
    images = to_float(sample, "sample", image_shape)
    chosen = np.linspace(0, len(images) - 1, min(_STORED, max(2, len(images)))).astype(int)
    images = images[chosen]
    return np.round(images * 255).clip(0, 255).astype("uint8") if are_pictures else images
