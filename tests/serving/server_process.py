"""A server in a process of its own, where neither kmeta nor TensorFlow can be imported."""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

SERVING = pathlib.Path(__file__).parents[2] / "serving"
ALONE = """
import sys
for name in ("kmeta", "keras", "tensorflow", "onnx"):
    sys.modules[name] = None
from kmeta_server.cli import main
sys.exit(main(sys.argv[1:]))
"""
HEADER = "Inference-Header-Content-Length"
DATATYPES = {"float32": "FP32", "int64": "INT64", "uint8": "UINT8"}


def start(*arguments):
    """The process of a server."""
    path = [SERVING / "edge", SERVING / "server", os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-c", ALONE, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Server:
    """A running server; `with` stops it."""

    def __init__(self, *arguments):
        self.process = start("--port", 0, "--reload-seconds", 0.1, *arguments)
        line = self.process.stdout.readline()
        assert line.startswith("http://"), self.process.communicate()
        self.address = line.split("/")[2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.log = self.process.communicate(timeout=60)[1]

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=60)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """Status, headers and body of a response."""
        own = connection or self.connect()
        own.request(method, path, body, headers or {})
        response = own.getresponse()
        found = response.status, response.headers, response.read()
        if connection is None:
            own.close()
        return found

    def get(self, path, status=200):
        found, _, body = self.ask("GET", path)
        assert found == status, body
        return json.loads(body)

    def infer(self, model, inputs, connection=None, **options):
        """Outputs by name, asked for in JSON; and the whole response."""
        body = json.dumps(request(inputs, **options))
        status, _, body = self.ask("POST", f"/v2/models/{model}/infer", body, None, connection)
        assert status == 200, body
        response = json.loads(body)
        return {t["name"]: values(t) for t in response["outputs"]}, response

    def refused(self, model, body, status=400, headers=None):
        """The text of the error that a body gives."""
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        found, _, content = self.ask("POST", f"/v2/models/{model}/infer", body, headers)
        assert found == status, content
        (text,) = json.loads(content).values()
        assert "Traceback" not in text and "\n" not in text
        return text

    def metric(self, name):
        """A number of `/metrics`, by its name and labels; 0 where it is not there."""
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        found = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return float(dict(found).get(name, 0))

    def wait_for(self, condition, seconds=20):
        """Wait until `condition()` holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)


def tensor(name, array):
    return {"name": name, "datatype": DATATYPES[array.dtype.name], "shape": list(array.shape)}


def request(inputs, nested=False, **options):
    """The JSON of a request with flat or nested data."""
    tensors = [
        {**tensor(name, array), "data": (array if nested else array.ravel()).tolist()}
        for name, array in inputs.items()
    ]
    return {"inputs": tensors, **options}


def binary_request(inputs, **options):
    """Headers and body of a request with binary data."""
    tensors = [
        {**tensor(name, array), "parameters": {"binary_data_size": array.nbytes}}
        for name, array in inputs.items()
    ]
    head = json.dumps({"inputs": tensors, **options}).encode()
    body = b"".join([head, *(array.tobytes() for array in inputs.values())])
    return {HEADER: str(len(head))}, body


def values(found):
    """The array of a tensor of a JSON response."""
    dtypes = {"FP32": "float32", "INT64": "int64", "BYTES": object}
    return np.array(found["data"], dtypes[found["datatype"]]).reshape(found["shape"])
