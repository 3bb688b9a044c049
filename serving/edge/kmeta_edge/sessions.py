"""The ONNX files of a bundle, each loaded when it is first needed."""

import json
import pathlib

from . import bundle
from .runtime import onnxruntime


class Sessions:
    """Runs the models of a bundle by the names of their signatures.

    names: of the signatures that have a model.
    """

    def __init__(self, directory, manifest, threads=None):
        self.names = [name for name, found in manifest["signatures"].items() if "onnx" in found]
        self._directory = pathlib.Path(directory)
        self._manifest = manifest
        self._options = onnxruntime().SessionOptions()
        self._options.log_severity_level = 4  # what fails is raised
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._loaded = {}

    def run(self, signature, outputs, given):
        """Some outputs of a signature, in their order."""
        return self.session(signature).run(outputs, given)

    def session(self, signature):
        """The `onnxruntime.InferenceSession` of a signature."""
        if signature not in self._loaded:
            self._loaded[signature] = self._load(signature)
        return self._loaded[signature]

    def content(self, signature):
        """The bytes of the ONNX file of a signature, as they were written.

        Raises:
            ValueError: if there is none, or it has changed.
        """
        return bundle.content(self._directory, self._manifest, self._file(signature))

    def _file(self, signature):
        file = self._manifest["signatures"].get(signature, {}).get("onnx")
        if file is None:
            raise ValueError(f"The bundle '{self._directory}' is damaged: it lacks {signature}")
        return file

    def _load(self, signature):
        file, content = self._file(signature), self.content(signature)
        try:
            session = onnxruntime().InferenceSession(
                content, self._options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no class in common
            text = " ".join(str(error).split())
            raise ValueError(
                f"The bundle '{self._directory}' is damaged: {file} cannot be loaded ({text})"
            ) from error
        carried = session.get_modelmeta().custom_metadata_map.get("kmeta.class_names", "null")
        if signature == "serving_default" and json.loads(carried) != self._manifest["class_names"]:
            raise ValueError(
                f"The bundle '{self._directory}' is damaged: the class names in manifest.json are "
                f"not those in {file}"
            )
        return session
