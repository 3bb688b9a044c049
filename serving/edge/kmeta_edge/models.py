"""What the ONNX files of a bundle compute together, by the names of the bundle's signatures.

Each network stands in one file; `adapt.onnx` and `classify.onnx` take what it makes of images. See
`kmeta.exporting.endpoints`.
"""

import json

import numpy as np

from . import onnx_file
from .images import at_once
from .runtime import onnxruntime

CLASS_NAMES = "kmeta.class_names"  # their key in the metadata of the file of `network`
_ANSWERS = ("probabilities", "label", "score")


class Models:
    """Runs the signatures of a bundle; safe to use from several threads.

    contents: the ONNX files, bytes by name without ending. What they read is all in them.
    """

    def __init__(self, contents, where="", threads=None):
        """Take the files; each is loaded when it is first needed.

        Args:
            contents: see above.
            where: the bundle's place, for errors.
            threads: of one run. Default: onnxruntime's choice, one a core.
        """
        self.contents, self._where = contents, where
        self._options = onnxruntime().SessionOptions()
        self._options.log_severity_level = 4  # what fails is raised
        self._options.add_session_config_entry("session.load_model_format", "ONNX")
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._loaded = {}

    @property
    def names(self):
        """Of the signatures that can be run."""
        served = ["serving_default"] if "classifier" in self.contents else []
        if served and "resize" in self.contents:
            served.append("serving_raw")
        grown = ["embed", "adapt", "classify", "episode"] if "adapt" in self.contents else []
        return served + grown

    def run(self, signature, given, outputs=None):
        """Outputs of a signature, arrays by name, for inputs by name; `outputs`: only these."""
        if signature not in self.names:
            raise ValueError(f"The bundle '{self._where}' is damaged: it lacks {signature}")
        return getattr(self, f"_{signature}")(outputs, **given)

    def _serving_default(self, outputs, images):
        return self.call("classifier", {"images": images}, outputs or _ANSWERS)

    def _serving_raw(self, outputs, raw_images):
        images = self.call("resize", {"raw_images": raw_images})["images"]
        return self._serving_default(outputs, images)

    def _embed(self, outputs, images):
        return {"embeddings": self._embedded(self.network, images)}

    def _adapt(self, outputs, support_images, support_labels):
        embedded = self.support(support_images)
        given = {"support_embeddings": embedded, "support_labels": support_labels}
        return self.call("adapt", given, outputs)

    def support(self, images):
        """Embedded support images `[items, ...]`, of several views `[items, views, ...]`."""
        network = "support" if "support" in self.contents else self.network
        if "views" not in self.contents:
            return self._embedded(network, images)
        looks = (self.call("views", {"images": image[None]})["views"][0] for image in images)
        return np.stack([self._embedded(network, views) for views in looks])

    def _classify(self, outputs, queries, **state):
        embedded = self._embedded(self.network, queries)
        return self.call("classify", {"embeddings": embedded, **state}, outputs)

    def _episode(self, outputs, support_images, support_labels, queries):
        state = self._adapt(None, support_images, support_labels)
        return self._classify(outputs, queries, **state)

    @property
    def network(self):
        """The file that embeds images."""
        return "classifier" if "classifier" in self.contents else "embed"

    def _embedded(self, name, images):
        step = at_once(images.shape[1:])
        given = ({"images": images[i : i + step]} for i in range(0, len(images), step))
        parts = [self.call(name, part, ["embeddings"])["embeddings"] for part in given]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def call(self, name, given, outputs=None):
        """Outputs of one file, arrays by name."""
        session = self.session(name)
        outputs = outputs or [output.name for output in session.get_outputs()]
        return dict(zip(outputs, session.run(list(outputs), given), strict=True))

    def session(self, name):
        """The `onnxruntime.InferenceSession` of a file.

        Raises:
            ValueError: if there is no such file, it reads others, or is no model.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name):
        try:
            content = self.contents[name]
            onnx_file.check(content)
            return onnxruntime().InferenceSession(
                content, self._options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no class in common
            text = " ".join(str(error).split())
            raise ValueError(
                f"The bundle '{self._where}' is damaged: {name}.onnx cannot be loaded ({text})"
            ) from error

    def class_names(self):
        """That the file of `network` carries, None where it carries none."""
        carried = self.session(self.network).get_modelmeta().custom_metadata_map
        try:
            return json.loads(carried[CLASS_NAMES])
        except (KeyError, ValueError, RecursionError):
            return None
