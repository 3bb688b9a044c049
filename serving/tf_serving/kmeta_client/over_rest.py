"""TensorFlow Serving's REST interface, by the standard library."""

import base64
import json
import urllib.error
import urllib.request

import numpy as np

from kmeta_client.client import Client, ServingError

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

    def _call(self, signature, inputs):
        body = {"inputs": {name: _encoded(value) for name, value in inputs.items()}}
        outputs = self._post(signature, body)["outputs"]
        names = self._output_names(signature)
        if len(names) == 1:  # a single output comes without its name
            outputs = {names[0]: outputs}
        return {name: _decoded(value) for name, value in outputs.items()}

    def call_rows(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """As `call`, one row an image; all inputs must have the same length."""
        columns = {name: _encoded(value) for name, value in inputs.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        found = self._retried(lambda: self._post(signature, {"instances": rows}))["predictions"]
        names = self._output_names(signature)
        if len(names) == 1:
            return {names[0]: _decoded(found)}
        return {name: _decoded([row[name] for row in found]) for name in names}

    def _post(self, signature, body):
        return self._request(":predict", {"signature_name": signature, **body})

    def _output_names(self, signature):
        if not hasattr(self, "_known"):
            self._known = self.metadata()
        return self._known[signature]["outputs"]

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
        version = "" if self.version is None else f"/versions/{self.version}"
        url = f"http://{self.address}/v1/models/{self.model}{version}{what}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            code = _CODES.get(error.code, "INTERNAL")
            raise ServingError(code, _message(error.read(), error.reason)) from error
        except TimeoutError as error:
            raise self._too_late() from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._too_late() from error
            raise ServingError("UNAVAILABLE", f"{self.address}: {error.reason}") from error
        except (OSError, ValueError) as error:  # cut off, or no JSON
            raise ServingError("UNAVAILABLE", f"{self.address}: {error}") from error

    def _too_late(self):
        return ServingError("DEADLINE_EXCEEDED", f"no answer within {self.timeout} s")


def _encoded(array):
    array = np.asarray(array)
    if array.dtype.kind in "SO":
        return [{"b64": base64.b64encode(value).decode()} for value in array.tolist()]
    return array.tolist()


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
