"""A classifier that learns new classes where it is deployed."""

import copy
import json
import pathlib

import numpy as np

from . import arrays, bundle, names, onnx_file, place, state, thumbnails
from .answering import Answering
from .images import to_float
from .models import CLASS_NAMES
from .scoring import is_probability


class FewShotClassifier(Answering):
    """A bundle in use; `FewShotClassifier.load` makes it. It needs the folder no more.

    class_names: of the columns of `predict`, see `Answering.class_names`.
    image_shape: of one image, such as `(height, width, channels)`.
    crop: what is taken of a picture, see `kmeta_edge.pixels.fitted`.
    threshold: `label` gives images whose score is below it the label `unknown`.
    signatures: what `run` can be asked: by name `inputs` and `outputs`, each the `dtype` and the
        `shape` of tensors by name; sizes that may vary have names.
    pictures: names of the files of the pictures that were learned from, None where they are not
        known, or classes have changed.
    thumbnails: `kmeta_edge.thumbnails.Thumbnails`, small copies of these pictures, None where the
        bundle has none, or classes have changed.
    fixed_way: number of classes of every support set that the learner takes, None for any.
    """

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
        names.check_new(name, self.class_names, self.unknown)
        known, images = self.known(), to_float(images, "images", self.image_shape)
        support = {"support_images": images, "support_labels": np.zeros(len(images), "int64")}
        added = self._models.run("adapt", support)
        grown = state.with_class(known, added, len(self._class_names))
        self._replace(grown, [*self._class_names, name])

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
        kept = state.without_class(self.known(), index)
        remaining = [other for other in self._class_names if other != name]
        self._replace(kept, remaining)

    def _replace(self, new_state, class_names):
        self._state, self._own_model = new_state, False
        self.pictures = self.thumbnails = None
        self._class_names = class_names

    def with_classes(self, class_names, known):
        """Another classifier, by the same network, of the classes of a state.

        Args:
            class_names: of the classes, in their order.
            known: arrays by name, as those of `known`, or of several results of the signature
                `adapt` joined.

        Raises:
            ValueError: if a name is wrong or there twice, or the state is not of so many classes.
        """
        names.check_all("class_names", class_names, self.unknown)
        state.check(known, self.known(), len(class_names))
        found = copy.copy(self)
        found._replace(known, list(class_names))
        return found

    def save(self, directory, overwrite=False):
        """Write a bundle for the device with the present classes; it appears as a whole.

        It has the ONNX files only; if a class was added or removed, `embed.onnx`, which does not
        know the classes, in place of `classifier.onnx`. A `threshold` that was changed is kept in
        the manifest; the outputs `label` and `index` of the ONNX files have that of the export.

        Args:
            directory: of the bundle; may be the one that was loaded.
            overwrite: replace the bundle that is there.

        Raises:
            ValueError: if `directory` is in use, `threshold` is not from 0 to 1, or what is known
                of the classes is larger than bundles may hold.
        """
        if not is_probability(self.threshold):
            raise ValueError(f"`threshold` must be from 0 to 1. Received: {self.threshold!r}")
        models = self._models.contents
        if not self._own_model:
            network = models[self._models.network]
            carried = {CLASS_NAMES: json.dumps(self._class_names, ensure_ascii=False)}
            network = onnx_file.only(network, ["embeddings"], carried)
            models = {n: x for n, x in models.items() if n != "classifier"} | {"embed": network}
        stored = {**self._sample, "probabilities": self.predict(self._sample["images"])}
        manifest = {
            **self._manifest,
            "class_names": self.class_names,
            "output": {**self._manifest["output"], "shape": ["batch", len(self.class_names)]},
            "rejection": {**self._manifest["rejection"], "threshold": float(self.threshold)},
            "signatures": self.signatures,
            "pictures": self.pictures,
        }
        with place.building(directory, overwrite) as folder:
            for name, content in models.items():
                (folder / f"{name}.onnx").write_bytes(content)
            if self._state is not None:
                arrays.write(folder / "state.npz", self._state)
            arrays.write(folder / "sample.npz", stored)
            if self.thumbnails is not None:
                arrays.write(folder / thumbnails.FILE, self.thumbnails.arrays())
            bundle.write_manifest(folder, manifest)
        if pathlib.Path(directory).resolve() == self.path:
            self._sample = stored
