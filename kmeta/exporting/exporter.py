"""`kmeta.export`: write a bundle, and prove it before anybody can see it."""

import dataclasses
import os
import pathlib

import numpy as np

from kmeta.edge import place
from kmeta.edge.images import to_float
from kmeta.exporting import int8, manifest, parity


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What `kmeta.export` wrote.

    path: the bundle's folder, absolute.
    saved_model_difference, onnx_difference: largest difference from Keras on the sample, over all
        signatures.
    size: of all files, in bytes.
    not_in_onnx: signatures that only the SavedModel has, with the operations that ONNX lacks.
    quantization: `kmeta.exporting.Quantization` of an int8 bundle, whose `onnx_difference` is that
        of the float files it was made of; else None.
    """

    path: pathlib.Path
    saved_model_difference: float
    onnx_difference: float
    size: int
    not_in_onnx: dict
    quantization: int8.Quantization | None = None

    def __str__(self):
        text = (
            f"Bundle {self.path}: {self.size / 1e6:.2f} MB, largest difference from Keras "
            f"{self.saved_model_difference:.1e} (SavedModel), {self.onnx_difference:.1e} (ONNX)"
        )
        for name, operations in self.not_in_onnx.items():
            text += f"; only in the SavedModel: {name} (ONNX lacks {', '.join(operations)})"
        return text if self.quantization is None else f"{text}\n{self.quantization}"


def export(classifier, directory, sample=None, overwrite=False, tolerance=1e-5, quantize=None):
    """Write a classifier as a bundle that runs without kmeta and without Keras.

    The bundle holds `saved_model/1/`, with the signatures of `kmeta.exporting.endpoints`; the same
    as ONNX, `classifier.onnx` (`serving_default`), `embed.onnx`, `adapt.onnx`, `classify.onnx` and
    `episode.onnx`; `state.npz`, the classes of a metric learner, to which others can be added;
    `sample.npz` (inputs, and what Keras makes of them) and `manifest.json` (see
    `kmeta.exporting.manifest`). Images are float32 `[batch, *image_shape]` in [0, 1],
    probabilities `[batch, way]`. `episode` adapts by gradients where the learner does, which ONNX
    cannot express: then it is in the SavedModel only.

    All models are loaded in a fresh process that can import neither kmeta nor Keras, and compared
    with Keras on the sample. Only then does the bundle appear at `directory`, as a whole: after an
    error, or when the process is killed, what was at `directory` before is still there.

    Args:
        classifier: `kmeta.Classifier`, as `learner.adapt` returns it.
        directory: folder of the bundle; new, or empty. Parents are created.
        sample: images `[n, *image_shape]`, float in [0, 1] or uint8, to verify with and to store.
            The support images are a good choice. Default: 4 images of uniform noise, the same
            every time. A single image is taken twice, to verify a batch.
        overwrite: replace the bundle that is at `directory`. A folder that holds other things is
            never replaced.
        tolerance: largest absolute difference of a probability allowed; of embeddings and of the
            state, relative to the largest number in them where that is above 1.
        quantize: `kmeta.exporting.Int8`, for ONNX files in 8-bit integers. They are made of the
            float files once these have passed, about a third in size, and differ from Keras
            by what the manifest says. The SavedModel stays as it is. Metric learners only.
            The default of `sample` is then some of the images scored.

    Returns:
        `ExportReport`.

    Raises:
        ValueError: if an argument is wrong, if `directory` is in use, if ONNX has no counterpart
            for an operation of the network, if a difference is above `tolerance`, or if accuracy
            falls by more than `quantize.max_drop`.
        RuntimeError: if the fresh process could not run the models.
    """
    _check_classifier(classifier)
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not tolerance > 0:
        raise ValueError(
            f"Argument `tolerance` must be a positive number. Received: tolerance={tolerance!r}"
        )
    if quantize is not None:
        _check_quantize(quantize, classifier)
        sample = quantize.sample() if sample is None else sample
    images = _sample(sample, classifier.image_shape)
    directory = place.check(directory, overwrite)
    with place.building(directory, overwrite) as folder:
        signatures = _write(classifier, images, folder)
        differences = parity.measure(folder, tolerance)
        quantization = None if quantize is None else int8.apply(quantize, folder)
        manifest.write(folder, classifier, signatures, differences, tolerance, quantization)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return ExportReport(
        directory,
        parity.largest(differences["saved_model"]),
        parity.largest(differences["onnx"]),
        size,
        {n: s["onnx_lacks"] for n, s in signatures.items() if s.get("onnx_lacks")},
        quantization,
    )


def _write(classifier, images, folder):
    """Write all files but the manifest; returns the manifest's `signatures`."""
    from kmeta.exporting import (  # TensorFlow loads here
        endpoints,
        onnx_model,
        samples,
        saved_model,
        warmup,
    )

    probabilities = endpoints.reference(classifier, images)
    table = endpoints.table(classifier)
    functions = saved_model.trace(table)
    sample = samples.make(classifier, functions, images, probabilities)
    np.savez(folder / "sample.npz", **sample)
    if "adapt" in table:
        np.savez(folder / "state.npz", **samples.state(classifier))
    model = folder / "saved_model" / "1"
    saved_model.save(functions, os.fspath(model), classifier.class_names)
    warmup.save(functions, sample, model)
    signatures = {}
    for name, endpoint in table.items():
        signatures[name] = saved_model.describe(functions[name])
        if not endpoint.onnx:
            continue
        metadata = manifest.essentials(classifier, name in endpoints.OF_THESE_CLASSES)
        file = "classifier.onnx" if name == "serving_default" else f"{name}.onnx"
        lacking = onnx_model.derivatives(functions[name]) if name == "episode" else []
        try:
            if not lacking:
                onnx_model.save(endpoint, os.fspath(folder / file), metadata)
        except onnx_model.NotInOnnx as error:
            if name != "episode":
                raise
            lacking = error.operations
        signatures[name] |= {"onnx_lacks": lacking} if lacking else {"onnx": file}
    return signatures


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


def _check_quantize(quantize, classifier):
    if not isinstance(quantize, int8.Int8):
        raise ValueError(
            f"Argument `quantize` must be a `kmeta.exporting.Int8`. Received: {quantize!r}"
        )
    quantize.check(classifier)


def _sample(sample, image_shape):
    if sample is None:
        return np.random.default_rng(0).random((4, *image_shape), dtype="float32")
    images = to_float(sample, "sample", image_shape)
    return np.repeat(images, 2, axis=0) if len(images) == 1 else images
