"""TensorFlow Serving's REST interface, by the standard library."""

import base64
import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.parse

import numpy as np

from kmeta_client.client import Client, ServingError, tensor

_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestClient(Client):
    """A model on `http://host:port/v1/models/NAME`; see `Client`.

    Requests are in columns (`inputs`), for the tensors of a task differ in length.
    `call_rows` sends rows (`instances`).
    """

    _known: dict = {}  # what the server said of its signatures

    def _call(self, signature, inputs):
        body = {"inputs": {name: _encoded(value) for name, value in inputs.items()}}
        outputs = self._post(signature, body)["outputs"]
        if not isinstance(outputs, dict):  # a single output comes without its name
            outputs = {self._output_name(signature): outputs}
        return {name: _decoded(value) for name, value in outputs.items()}

    def call_rows(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """As `call`, one row an image; all inputs must have the same length."""
        columns = {name: _encoded(tensor(name, value)) for name, value in inputs.items()}
        try:
            cells = list(zip(*columns.values(), strict=True))
        except (TypeError, ValueError) as error:
            raise ServingError("INVALID_ARGUMENT", f"rows: {error}") from error
        rows = [dict(zip(columns, row, strict=True)) for row in cells]
        return self._retried(lambda: self._rows(signature, rows))

    def _rows(self, signature, rows):
        found = self._post(signature, {"instances": rows})["predictions"]
        if isinstance(found[0], dict):
            return {name: _decoded([row[name] for row in found]) for name in found[0]}
        return {self._output_name(signature): _decoded(found)}

    def _post(self, signature, body):
        try:
            return self._request(":predict", {"signature_name": signature, **body})
        except ServingError:
            self._known = {}  # it may be another version by now
            raise

    def _output_name(self, signature):
        """The name of the only output of a signature."""
        for _ in range(2):
            names = self._known.get(signature, {}).get("outputs", [])
            if len(names) == 1:
                return names[0]
            self._known = self.metadata()
        raise ServingError("INTERNAL", f"one output of {signature} came, of {', '.join(names)}")

    def _status(self):
        found = self._request("")["model_version_status"]
        return {int(one["version"]): one["state"] for one in found}

    def _metadata(self):
        found = self._request("/metadata")["metadata"]["signature_def"]["signature_def"]
        return {
            name: {kind: sorted(signature.get(kind, {})) for kind in ("inputs", "outputs")}
            for name, signature in found.items()
            if not name.startswith("__")
        }

    def _request(self, what, body=None):
        name = urllib.parse.quote(self.model, safe="")
        version = "" if self.version is None else f"/versions/{self.version}"
        data = None if body is None else json.dumps(body).encode()
        status, reason, content = self._sent(f"/v1/models/{name}{version}{what}", data)
        if status != 200:
            raise ServingError(_CODES.get(status, "INTERNAL"), _message(content, reason))
        try:
            return json.loads(content)
        except ValueError as error:
            raise self._unavailable(error) from error

    def _sent(self, path, data):
        """Status, reason and content of an answer; all of it within `timeout`."""
        is_late, end = threading.Event(), time.monotonic() + self.timeout
        with contextlib.ExitStack() as stack:
            try:
                connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
                stack.callback(connection.close)
                connection.connect()
                cut = threading.Timer(
                    max(0.0, end - time.monotonic()), _cut, [connection.sock, is_late]
                )
                stack.callback(cut.cancel)
                cut.start()
                method = "GET" if data is None else "POST"
                connection.request(method, path, data, {"Content-Type": "application/json"})
                with connection.getresponse() as response:
                    content = response.read()
                if is_late.is_set():
                    raise TimeoutError
                return response.status, response.reason, content
            except (OSError, ValueError, http.client.HTTPException) as error:
                if is_late.is_set() or isinstance(error, TimeoutError):
                    text = f"no answer within {self.timeout} s"
                    raise ServingError("DEADLINE_EXCEEDED", text) from error
                raise self._unavailable(error) from error

    def _unavailable(self, error):
        return ServingError("UNAVAILABLE", f"{self.address}: {error or repr(error)}")


def _cut(connection, is_late):
    """End a connection whose time is over: the limit of a socket is for each read alone."""
    is_late.set()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _encoded(array):
    if array.dtype != object:
        return array.tolist()
    texts = [{"b64": base64.b64encode(value).decode()} for value in array.ravel()]
    return np.array(texts, dtype=object).reshape(array.shape).tolist()


def _decoded(value):
    array = np.array(value)
    if array.dtype.kind == "U":
        return array.astype(object)
    return array.astype("int64" if array.dtype.kind == "i" else "float32")


def _message(body, reason):
    try:
        return json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return reason
