"""What can be asked of a served bundle, whichever way it is reached."""

import dataclasses
import time

import numpy as np


class ServingError(Exception):
    """The server refused, failed or could not be reached.

    code: as gRPC names it, such as `"INVALID_ARGUMENT"`, `"NOT_FOUND"`, `"UNAVAILABLE"` or
        `"DEADLINE_EXCEEDED"`.
    """

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a classifier says of some images.

    probabilities: `[images, classes]` float32.
    score: `[images]` float32, the largest of them.
    label: of each image, its class or "unknown"; None where the server has no names, after `adapt`.
    index: of each image, its class or -1 for unknown; None where there are labels.
    """

    probabilities: np.ndarray
    score: np.ndarray
    label: list[str] | None = None
    index: np.ndarray | None = None


class Client:
    """A model on a server. The server keeps nothing: what `adapt` returns is the caller's to keep.

    Args:
        address: `"host:port"`.
        model: its name on the server.
        version: of the model. Default: the latest.
        timeout: seconds for one request.
        retries: further attempts after `UNAVAILABLE`, and after nothing else.
    """

    def __init__(
        self,
        address: str,
        model: str = "kmeta",
        version: int | None = None,
        timeout: float = 10.0,
        retries: int = 3,
    ):
        self.address = address
        self.model = model
        self.version = version
        self.timeout = timeout
        self.retries = retries

    def call(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of any signature; texts are arrays of `str` objects.

        Args:
            signature: its name.
            **inputs: numbers, or lists or arrays of `bytes` or `str` objects. NumPy's own arrays of
                bytes (such as `"S4"`) lose zeros at the end of a text: give `dtype=object`.

        Raises:
            ServingError: whatever went wrong.
        """
        given = {name: tensor(name, value) for name, value in inputs.items()}
        return self._retried(lambda: self._call(signature, given))

    def predict(self, images: np.ndarray) -> Answer:
        """Answers for images `[n, height, width, channels]`, float32 in [0, 1] or uint8."""
        return _answer(self.call("serving_default", images=pixels(images)))

    def predict_files(self, files: list[bytes]) -> Answer:
        """Answers for the contents of PNG and JPEG files."""
        return _answer(self.call("serving_bytes", image_bytes=files))

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings `[n, features]` of images."""
        return _output(self.call("embed", images=pixels(images)), "embeddings")

    def adapt(self, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """What `classify` needs to know of new classes; labels are integers from 0 on."""
        return self.call(
            "adapt", support_images=pixels(images), support_labels=np.asarray(labels, "int64")
        )

    def classify(self, queries: np.ndarray, state: dict[str, np.ndarray]) -> Answer:
        """Answers for images by what `adapt` returned."""
        return _answer(self.call("classify", queries=pixels(queries), **state))

    def episode(self, images: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> Answer:
        """`adapt` and `classify` in one request."""
        outputs = self.call(
            "episode",
            support_images=pixels(images),
            support_labels=np.asarray(labels, "int64"),
            queries=pixels(queries),
        )
        return _answer(outputs)

    def status(self) -> dict[int, str]:
        """The state of each version, such as `"AVAILABLE"`."""
        return self._retried(self._status)

    def metadata(self) -> dict[str, dict[str, list[str]]]:
        """Names of `inputs` and `outputs` of each signature."""
        return self._retried(self._metadata)

    def _retried(self, request):
        for attempt in range(self.retries + 1):
            try:
                return request()
            except ServingError as error:
                if error.code != "UNAVAILABLE" or attempt == self.retries:
                    raise
                time.sleep(0.1 * 2**attempt)
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise ServingError("INTERNAL", f"the answer makes no sense: {error!r}") from error
        raise AssertionError("unreachable")

    def _call(self, signature, inputs):
        raise NotImplementedError

    def _status(self):
        raise NotImplementedError

    def _metadata(self):
        raise NotImplementedError


def pixels(images) -> np.ndarray:
    """Images as the models take them: float32, uint8 divided by 255."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images.astype("float32") / np.float32(255)
    return images.astype("float32", copy=False)


def tensor(name, value):
    """An input as an array of numbers, or of `bytes` objects."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # of rows of unequal length
        raise ServingError("INVALID_ARGUMENT", f"Input '{name}': {error}") from error
    if array.dtype.kind in "fiu":
        return array
    texts = np.array(value, dtype=object)
    found = np.empty_like(texts)
    for index, text in np.ndenumerate(texts):
        if not isinstance(text, bytes | str):
            expected = f"Input '{name}' must hold numbers or texts"
            raise ServingError("INVALID_ARGUMENT", f"{expected}. Received: {text!r:.80}")
        found[index] = text.encode() if isinstance(text, str) else text
    return found


def _output(outputs, name):
    if name not in outputs:
        received = ", ".join(outputs)
        raise ServingError("INTERNAL", f"the answer must have {name}. Received: {received}")
    return outputs[name]


def _answer(outputs):
    label = outputs.get("label")
    return Answer(
        _output(outputs, "probabilities"),
        _output(outputs, "score"),
        None if label is None else label.tolist(),
        outputs.get("index"),
    )
