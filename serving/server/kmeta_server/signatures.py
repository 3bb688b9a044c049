"""What a loaded bundle can be asked: its signatures, each with its tensors and a check of them."""

import math
from typing import NamedTuple

import numpy as np
from kmeta_edge.images import to_float

from kmeta_server import protocol
from kmeta_server.errors import wrong

DATATYPES = {"float32": "FP32", "int64": "INT64", "string": "BYTES", "uint8": "UINT8"}
IMAGES = ("images", "support_images", "queries")
LABELS = ("support_labels", "labels")
BY_ROWS = ("serving_default", "embed")  # each row of the answer is that of one image alone
RAW = "raw_images"
SIDES = ("height", "width")  # free dimensions of raw images
MOST_OF_A_SIDE = 1 << 14  # resizing takes memory by the side, whatever the other is
PAIRS = 1 << 14  # of queries and rows of the state, computed at a time


class Tensor(NamedTuple):
    """An input or output; free dimensions are texts, equal ones of equal size."""

    name: str
    datatype: str
    shape: tuple

    def describe(self):
        """As the protocol describes it."""
        shape = [size if isinstance(size, int) else -1 for size in self.shape]
        return {"name": self.name, "datatype": self.datatype, "shape": shape}


class Signature:
    """One function of a bundle; safe to call from several threads.

    name: such as `"adapt"`.
    inputs, outputs: `Tensor`s by name.
    by_rows: whether images of several requests may be joined.
    """

    def __init__(self, classifier, name, settings):
        self.name, self.by_rows = name, name in BY_ROWS
        self._classifier = classifier
        self._part, self._largest = settings.batch_size, settings.max_images
        self._pixels = settings.max_pixels
        described = classifier.signatures[name]
        self.inputs, self.outputs = map(_tensors, (described["inputs"], described["outputs"]))

    @property
    def datatypes(self):
        """Of inputs and outputs by name, as the protocol calls them."""
        return {name: x.datatype for name, x in {**self.inputs, **self.outputs}.items()}

    def read(self, request, binary):
        """The checked inputs of a request, arrays by name.

        Raises:
            RequestError: naming the input that is wrong, what was expected and what was received.
        """
        names = [tensor.name for tensor in request.inputs]
        if sorted(names) != sorted(self.inputs):
            received = ", ".join(name[:80] for name in names[:10]) or "none"
            raise wrong(f"Inputs must be {', '.join(self.inputs)}, each once", received)
        sizes, found = {}, {}
        for given in request.inputs:
            tensor = self.inputs[given.name]
            self._check_datatype(tensor, given)
            self._check_shape(tensor, given, sizes)
        for given in request.inputs:
            found[given.name] = self._values(protocol.array(given, binary.get(given.name)), given)
        return found

    def _check_datatype(self, tensor, given):
        allowed = [tensor.datatype, *(["UINT8"] if tensor.name in IMAGES else [])]
        if given.datatype not in allowed:
            expected = f"Input '{tensor.name}' must have the datatype {' or '.join(allowed)}"
            raise wrong(expected, given.datatype[:80])

    def _check_shape(self, tensor, given, sizes):
        """`sizes` holds the free dimensions of the inputs so far, and takes those of this one."""
        expected = (
            f"Input '{tensor.name}' must have the shape [{', '.join(map(str, tensor.shape))}]"
        )
        fits = len(given.shape) == len(tensor.shape) and all(
            size == wanted or not isinstance(wanted, int)
            for size, wanted in zip(given.shape, tensor.shape, strict=False)
        )
        if not fits:
            raise wrong(expected, given.shape[:10])
        for size, wanted in zip(given.shape, tensor.shape, strict=True):
            if isinstance(wanted, int):
                continue
            largest = MOST_OF_A_SIDE if wanted in SIDES else self._largest
            if not 1 <= size <= largest:
                raise wrong(f"{expected}, {wanted} from 1 to {largest}", given.shape)
            if sizes.setdefault(wanted, size) != size:
                raise wrong(f"{expected}, with {wanted} = {sizes[wanted]} by another input", size)
            if wanted == "channels" and size not in (1, 3):
                raise wrong(f"{expected}, 1 or 3 channels", given.shape)
        if tensor.name in (RAW, *IMAGES) and math.prod(given.shape[:3]) > self._pixels:
            raise wrong(f"{expected}, with at most {self._pixels} pixels together", given.shape)

    def _values(self, values, given):
        if given.datatype == "UINT8" and given.name in IMAGES:
            return to_float(values, given.name)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise wrong(f"Input '{given.name}' must be finite", "NaN or infinity")
        if given.name in IMAGES:
            try:
                return to_float(values, given.name)
            except ValueError as error:
                expected, _, received = str(error).partition(". Received: ")
                raise wrong(expected, received) from error
        if given.name in LABELS:
            self._check_labels(values, given.name)
        return values

    def _check_labels(self, labels, name):
        found = np.unique(labels)
        way = self._classifier.fixed_way
        largest = found[-1] if way is None else way - 1
        if len(found) != largest + 1 or found[0] != 0 or found[-1] != largest:
            last = "the largest of them" if way is None else way - 1
            received = ", ".join(map(str, found[:20].tolist()))
            raise wrong(f"Input '{name}' must hold every integer from 0 to {last}", received)

    def run(self, given):
        """The outputs for checked inputs, arrays by name."""
        if self.by_rows:
            return _joined(self._rows, given["images"], self._part)
        if self.name == "serving_raw":
            return _joined(self._raw, given[RAW], 1)  # one by one: each is resized in float32
        if self.name == "classify":
            return self._classify(given)
        if self.name == "episode":
            queries = given["queries"]
            if len(queries) * len(given["support_labels"]) > PAIRS:  # the same in two steps
                support = {name: given[name] for name in ("support_images", "support_labels")}
                return self._classify(
                    {"queries": queries, **self._classifier.run("adapt", support)}
                )
        return self._classifier.run(self.name, given)

    def _rows(self, images):
        return self._classifier.run(self.name, {"images": images})

    def _raw(self, images):
        return self._classifier.run(self.name, {RAW: images})

    def _classify(self, given):
        """Queries in parts: some learners compare each with every row of the state."""
        state = {name: rows for name, rows in given.items() if name != "queries"}
        part = max(1, PAIRS // max(len(rows) for rows in state.values()))

        def classify(queries):
            return self._classifier.run("classify", {"queries": queries, **state})

        return _joined(classify, given["queries"], part)


def _joined(function, rows, part):
    """`function` of at most `part` rows at a time."""
    found = [function(rows[i : i + part]) for i in range(0, len(rows), part)]
    if len(found) == 1:
        return found[0]
    return {name: np.concatenate([some[name] for some in found]) for name in found[0]}


def _tensors(described):
    """`Tensor`s by name, of what a bundle says of them."""
    return {
        name: Tensor(name, DATATYPES[tensor["dtype"]], tuple(tensor["shape"]))
        for name, tensor in described.items()
    }
