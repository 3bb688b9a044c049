"""A classifier that learns new classes where it is deployed."""

import pathlib
import unicodedata

import numpy as np

from . import bundle, place, scoring, state
from .images import to_float
from .manifest import is_probability
from .sessions import Sessions

_TOLERANCE = 1e-3  # of the sample: processors round differently, a broken model differs by more;
# 8-bit integers differ from what the sample says by what their manifest says
_BATCH = 256
_OWN_CLASSES = ("serving_default", "serving_raw")  # that the bundle was exported with


class FewShotClassifier:
    """A bundle in use; `FewShotClassifier.load` makes it.

    class_names: of the columns of `predict`.
    image_shape: of one image, such as `(height, width, channels)`.
    crop: what is taken of a picture, see `kmeta_edge.pixels.fitted`.
    threshold: `label` gives images whose score is below it the label `unknown`.
    sessions: the models that were needed so far.
    fixed_way: number of classes of every support set that the learner takes, None for any.
    """

    def __init__(self, directory, manifest, sessions):
        self.path = pathlib.Path(directory)
        self.class_names = list(manifest["class_names"])
        self.image_shape = tuple(manifest["input"]["shape"][1:])
        self.crop = manifest["input"].get("crop")
        self.threshold = manifest["rejection"]["threshold"]
        self.unknown = manifest["rejection"]["unknown"]
        self._manifest = manifest
        self.sessions = sessions
        self.fixed_way = None if manifest.get("state") else len(self.class_names)
        self._state = None  # read when it is needed
        self._own_model = "serving_default" in manifest["signatures"]

    @classmethod
    def load(cls, directory, threads=None):
        """Load a bundle that `kmeta.export` or `save` wrote.

        Checks the hash of every file, and that the model says of the bundle's sample what it said
        when the bundle was written. The folder `saved_model/` may have been left out.

        Args:
            directory: of the bundle.
            threads: for one prediction. Default: onnxruntime's choice, one a core.

        Raises:
            ValueError: if the bundle is damaged, of another format version, or fails the sample.
        """
        directory = pathlib.Path(directory).resolve()
        manifest = bundle.read(directory)
        found = cls(directory, manifest, Sessions(directory, manifest, threads))
        found.check_sample()
        return found

    def check_sample(self):
        """The largest difference of a probability from the bundle's sample.

        Raises:
            ValueError: if it is more than rounding explains.
        """
        sample = self._sample()
        found, expected = self.predict(sample["images"]), sample["probabilities"]
        fits = found.shape == expected.shape
        difference = float(np.abs(found - expected).max()) if fits else float("nan")
        if not difference <= self._tolerance():
            raise ValueError(
                f"The bundle '{self.path}' does not say of its sample what it said when it was "
                f"written: probabilities differ by {difference:.2g}"
            )
        return difference

    def _sample(self):
        sample = bundle.arrays(self.path, self._manifest, "sample.npz")
        if not {"images", "probabilities"} <= set(sample):
            raise ValueError(f"The bundle '{self.path}' is damaged: sample.npz lacks arrays")
        return sample

    def _tolerance(self):
        quantization = self._manifest.get("quantization")
        return _TOLERANCE if quantization is None else quantization["tolerance"]

    def predict(self, images):
        """Probabilities `[n, classes]` float32.

        Args:
            images: `[n, *image_shape]`, float in [0, 1] or uint8.

        Raises:
            ValueError: if images have another shape, or are not finite numbers.
        """
        return self._run(images, "probabilities")[0]

    def _run(self, images, *outputs):
        """Outputs for all images, a batch at a time."""
        images, parts = to_float(images, "images", self.image_shape), []
        for start in range(0, len(images), _BATCH):
            signature, given = self.request(images[start : start + _BATCH])
            parts.append(self.sessions.run(signature, list(outputs), given))
        return [p[0] if len(p) == 1 else np.concatenate(p) for p in zip(*parts, strict=True)]

    def request(self, images):
        """The signature that predicts, and its inputs for checked images."""
        if self._own_model:
            return "serving_default", {"images": images}
        return "classify", {"queries": images, **self._known()}

    def label(self, images):
        """`(labels, scores)` of each image as lists, see `answers`."""
        return self.answers(images)[1:]

    def answers(self, images):
        """`(probabilities, labels, scores)`: an array `[n, classes]` and two lists.

        The label is that of the likeliest class, the score its probability, times how likely the
        image is of a known class at all where the bundle can tell.
        """
        probabilities, scores = self._run(images, "probabilities", "score")
        names, unknown = self.class_names, self.unknown
        labels = scoring.labels(probabilities, scores, names, self.threshold, unknown)
        return probabilities, labels, scores.tolist()

    def add_class(self, name, images):
        """Learn one more class, the last of `class_names`.

        The same as adapting the learner anew to all classes: nothing is trained.

        Args:
            name: of the class, not in use yet.
            images: `[shots, *image_shape]`, as for `predict`; one is enough.

        Raises:
            ValueError: if the name or the images are wrong, or the learner cannot learn classes
                after its export.
        """
        if not isinstance(name, str) or not name or name == self.unknown:
            raise ValueError(
                f"Argument `name` must be a text other than '{self.unknown}'. Received: {name!r}"
            )
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise ValueError(
                "Argument `name` must be a text without control characters and surrogates. "
                f"Received: {name!r}"
            )
        if name in self.class_names:
            raise ValueError(
                f"Argument `name` must be a new class. Received: {name!r}, a known one"
            )
        known, images = self._known(), to_float(images, "images", self.image_shape)
        support = {"support_images": images, "support_labels": np.zeros(len(images), "int64")}
        names = list(known)
        added = dict(zip(names, self.sessions.run("adapt", names, support), strict=True))
        self._replace(state.with_class(known, added, len(self.class_names)), [name])

    def remove_class(self, name):
        """Forget a class.

        Raises:
            ValueError: if there is no such class, or only two are left.
        """
        if name not in self.class_names:
            raise ValueError(
                f"Argument `name` must be one of {self.class_names}. Received: {name!r}"
            )
        if len(self.class_names) == 2:
            raise ValueError("Two classes must remain: add another one first")
        index = self.class_names.index(name)
        kept = state.without_class(self._known(), index)
        del self.class_names[index]
        self._replace(kept, [])

    def _replace(self, new_state, names):
        self._state, self._own_model = new_state, False
        self.class_names.extend(names)

    def _known(self):
        if self._state is None:
            if not self._manifest.get("state"):
                raise ValueError(
                    "This bundle's classes are fixed: its learner adapts by training, which needs "
                    "kmeta. Metric learners (Prototypical, Matching, Siamese, Relation) can grow"
                )
            self._state = bundle.arrays(self.path, self._manifest, self._manifest["state"]["file"])
        return self._state

    def save(self, directory, overwrite=False):
        """Write a bundle for the device with the present classes; it appears as a whole.

        It has the ONNX files only, `classifier.onnx` and `serving_raw.onnx` only if no class was
        added or removed.
        `kmeta.exporting.load_bundle` reads it too. A `threshold` that was changed is kept in the
        manifest; the outputs `label` and `index` of the ONNX files have that of the export.

        Args:
            directory: of the bundle; may be the one that was loaded.
            overwrite: replace the bundle that is there.

        Raises:
            ValueError: if `directory` is in use, a file has changed since the bundle was loaded,
                or `threshold` is not from 0 to 1.
        """
        if not is_probability(self.threshold):
            raise ValueError(f"`threshold` must be from 0 to 1. Received: {self.threshold!r}")
        models = {
            name: {**signature}
            for name, signature in self._manifest["signatures"].items()
            if "onnx" in signature and (name not in _OWN_CLASSES or self._own_model)
        }
        manifest = {**self._manifest, "signatures": models, "class_names": self.class_names}
        manifest["rejection"] = {
            **self._manifest["rejection"],
            "threshold": float(self.threshold),
        }
        output = self._manifest["output"]
        manifest["output"] = {**output, "shape": [*output["shape"][:-1], len(self.class_names)]}
        with place.building(directory, overwrite) as folder:
            for name, signature in models.items():
                (folder / signature["onnx"]).write_bytes(self.sessions.content(name))
            if self._manifest.get("state"):
                np.savez(folder / self._manifest["state"]["file"], **self._known())
            sample = self._sample()
            sample["probabilities"] = self.predict(sample["images"])
            np.savez(folder / "sample.npz", **sample)
            manifest = bundle.write_manifest(folder, manifest)
        if pathlib.Path(directory).resolve() == self.path:
            self._manifest.update(manifest)  # which `sessions` has too

    def __repr__(self):
        return f"FewShotClassifier('{self.path}', class_names={self.class_names})"
