"""What a bundle answers where it is deployed."""

import copy
import pathlib

import numpy as np

from . import bundle, sample, scoring, state, thumbnails
from . import nearest as near
from .images import at_once, to_float
from .models import Models

_TOLERANCE = 1e-3  # of the sample: processors round differently, a broken model differs by more,
# unless the manifest says that more was allowed when it was exported


class Answering:
    """The part of `FewShotClassifier` that reads a bundle and answers by it."""

    def __init__(self, directory, manifest, contents, threads=None):
        self.path = pathlib.Path(directory)
        self._class_names = list(manifest["class_names"])
        self.image_shape = tuple(manifest["input"]["shape"][1:])
        self.crop = manifest["input"].get("crop")
        self.threshold = manifest["rejection"]["threshold"]
        self.unknown = manifest["rejection"]["unknown"]
        self.fixed_way = None if manifest.get("state") else len(self._class_names)
        self._manifest, self._contents = manifest, contents
        models = {n.removesuffix(".onnx"): x for n, x in contents.items() if n.endswith(".onnx")}
        self._models = Models(models, self.path, threads)
        self._state = None
        if manifest.get("state"):
            self._state = bundle.arrays(self.path, contents, "state.npz")
        self._own_model = "classifier" in models
        self.pictures = manifest.get("pictures")
        self.thumbnails = None
        self._sample = bundle.arrays(self.path, contents, "sample.npz", sample.NAMES)
        if set(sample.NAMES) - set(self._sample):
            raise ValueError(f"The bundle '{self.path}' is damaged: sample.npz lacks arrays")

    @property
    def class_names(self):
        """Of the columns of `predict`; a list of its own, which changes nothing here."""
        return list(self._class_names)

    @property
    def manifest(self):
        """What is known of the bundle, see `kmeta.exporting.manifest`."""
        return copy.deepcopy(self._manifest)

    @property
    def signatures(self):
        """See above; those that the bundle has beside the SavedModel."""
        described = self._manifest["signatures"]
        served = ["serving_default"]
        if "resize" in self._models.contents:
            served.append("serving_raw")
        way = {"dtype": "float32", "shape": ["batch", len(self.class_names)]}
        found = {name: described[name] for name in self._models.names if name in described}
        for name in served:
            outputs = {**described[name]["outputs"], "probabilities": way}
            found[name] = {**described[name], "outputs": outputs}
        return found

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
        found = cls(directory, *bundle.read(directory), threads)
        found._check_classes()
        found._read_thumbnails()
        found.check_sample()
        return found

    def _check_classes(self):
        """Raise ValueError unless names, outputs and state are of the same classes."""
        wrong, found = None, self._class_names
        if self._state is not None:
            rows = len(self._state.get("labels", ()))
            try:
                way = state.way(self._state)
            except ValueError as error:
                wrong = f"of state.npz {error}"
            else:
                if way != len(found):
                    wrong = f"state.npz has {way} classes, manifest.json names {len(found)}"
                elif rows and self.pictures is not None and rows != len(self.pictures):
                    wrong = f"state.npz has {rows} pictures, manifest.json {len(self.pictures)}"
        if not wrong and self._models.class_names() != found:
            wrong = f"class names in manifest.json are not those in {self._models.network}.onnx"
        if wrong:
            raise ValueError(f"The bundle '{self.path}' is damaged: {wrong}")

    def _read_thumbnails(self):
        if thumbnails.FILE not in self._contents:
            return
        arrays = bundle.arrays(self.path, self._contents, thumbnails.FILE)
        count = None if self.pictures is None else len(self.pictures)
        try:
            found = thumbnails.read(arrays, self._state, len(self.class_names), count)
        except ValueError as error:
            text = f"The bundle '{self.path}' is damaged: {thumbnails.FILE} has {error}"
            raise ValueError(text) from error
        self.thumbnails = found

    def check_sample(self):
        """The largest difference of a probability from the bundle's sample.

        Raises:
            ValueError: if it is more than rounding explains.
        """
        found, expected = self.predict(self._sample["images"]), self._sample["probabilities"]
        fits = found.shape == expected.shape
        difference = float(np.abs(found - expected).max()) if fits else float("nan")
        if not difference <= self._tolerance():
            raise ValueError(
                f"The bundle '{self.path}' does not say of its sample what it said when it was "
                f"written: probabilities differ by {difference:.2g}"
            )
        return difference

    def _tolerance(self):
        quantization = self._manifest.get("quantization")
        if quantization is not None:
            return quantization["tolerance"]
        return max(_TOLERANCE, self._manifest["parity"]["tolerance"])

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
        step = at_once(self.image_shape)
        for start in range(0, len(images), step):
            signature, given = self._request(images[start : start + step])
            try:
                found = self._models.run(signature, given, outputs)
            except ValueError:
                raise
            except Exception as error:  # onnxruntime's errors have no class in common
                text = " ".join(str(error).split())
                raise ValueError(f"The bundle '{self.path}' cannot be run: {text}") from error
            parts.append([found[name] for name in outputs])
        return [p[0] if len(p) == 1 else np.concatenate(p) for p in zip(*parts, strict=True)]

    def _request(self, images):
        if self._own_model:
            return "serving_default", {"images": images}
        return "classify", {"queries": images, **self.known()}

    def run(self, signature, given):
        """Outputs of a signature, arrays by name, for inputs by name, see `signatures`.

        Inputs are taken as they are: pixels are to be checked before. `serving_default` and
        `serving_raw` are of the present classes, and follow `threshold`.
        """
        if signature not in ("serving_default", "serving_raw"):
            return self._models.run(signature, given)
        images = given if signature == "serving_default" else self._models.call("resize", given)
        probabilities, labels, scores = self.answers(images["images"])
        label, score = np.array(labels, dtype=object), np.array(scores, "float32")
        return {"probabilities": probabilities, "label": label, "score": score}

    def label(self, images):
        """`(labels, scores)` of each image as lists, see `answers`."""
        return self.answers(images)[1:]

    def answers(self, images):
        """`(probabilities, labels, scores)`: an array `[n, classes]` and two lists.

        The label is that of the likeliest class, the score its probability, times how likely the
        image is of a known class at all where the bundle can tell.
        """
        probabilities, scores = self._run(images, "probabilities", "score")
        known, unknown = self.class_names, self.unknown
        labels = scoring.labels(probabilities, scores, known, self.threshold, unknown)
        return probabilities, labels, scores.tolist()

    def nearest(self, images, count=3):
        """The support pictures most like each image: `[[(name, cosine), ...], ...]`.

        A picture's name is that of its file where the bundle was made of a folder, else that of its
        class and its number there; cosines are of features, at most 1. Of bundles that keep no
        features but those beside thumbnails, the pictures that have one.

        Args:
            images: as for `predict`.
            count: how many of each, or as many as there are.

        Raises:
            ValueError: if images are wrong, or the bundle keeps classes, and no single pictures.
        """
        features, _, names = self.single_pictures()
        images = to_float(images, "images", self.image_shape)
        queries = near.whole(self._models.run("embed", {"images": images})["embeddings"])
        which, cosines = near.nearest(features, queries, count)
        return [
            [(names[i], float(cosine)) for i, cosine in zip(*pair, strict=True)]
            for pair in zip(which, cosines, strict=True)
        ]

    def single_pictures(self):
        """`(features [n, d], labels [n], names)` of the pictures that are known one by one.

        Raises:
            ValueError: if there are none.
        """
        known, small = self.known(), self.thumbnails
        if "embedded" in known:
            features, labels, names = near.whole(known["embedded"]), known["labels"], self.pictures
        elif small is not None:
            features, labels, names = small.features, small.labels, self.pictures
            names = names and [names[row] for row in small.rows]
        else:
            raise ValueError(
                f"The bundle '{self.path}' keeps no single pictures, only what their classes have "
                "in common: those that keep them have the head ridge, or thumbnails"
            )
        return features, labels, names or state.names(labels, self.class_names)

    @property
    def light_background(self):
        """Whether pictures are bright at their rims, judged by the bundle's sample."""
        return sample.light_background(self._sample["images"])

    def known(self):
        """The state of the present classes, arrays by name, which `classify` takes.

        Raises:
            ValueError: if classes are fixed.
        """
        if self._state is None:
            raise ValueError(
                "This bundle's classes are fixed: its learner adapts by training, which needs "
                "kmeta. Metric learners (Prototypical, Matching, Siamese, Relation) can grow"
            )
        return self._state

    def __repr__(self):
        return f"{type(self).__name__}('{self.path}', class_names={self.class_names})"
