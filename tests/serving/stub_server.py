"""A model server made of the official stubs over TensorFlow's v1 loader, and REST beside it.

It stands in for TensorFlow Serving, whose program is in no package registry: same messages and
errors. Two models have a fault: "slow" answers late, "flaky" is unavailable at every other turn.
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import re
import threading
import time
import urllib.parse

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

HTTP = {"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "NOT_FOUND": 404, "UNAVAILABLE": 503}


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


class Model:
    """A loaded SavedModel that checks requests as the server does."""

    def __init__(self, path):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self.session, ["serve"], str(path))
        self.signatures = dict(meta.signature_def)
        self.requests = 0

    def find(self, name, version):
        self.requests += 1
        if name == "slow":
            time.sleep(1.5)
        elif name == "flaky" and self.requests % 2:
            raise Refused("UNAVAILABLE", "loading")
        elif name not in ("kmeta", "flaky") or version not in (0, 1):
            raise Refused("NOT_FOUND", f"Servable not found for request: {name}/{version}")

    def signature(self, name):
        if name not in self.signatures:
            raise Refused("FAILED_PRECONDITION", f'Serving signature name: "{name}" not found')
        return self.signatures[name]

    def run(self, signature, given):
        definition = self.signature(signature)
        if set(given) != set(definition.inputs):
            raise Refused(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {sorted(given)} != "
                f"{sorted(definition.inputs)}",
            )
        for name, value in given.items():
            if tf.as_dtype(definition.inputs[name].dtype) != tf.as_dtype(value.dtype):
                raise Refused("INVALID_ARGUMENT", f"Expects arg[0] to be another dtype: {name}")
        feed = {definition.inputs[n].name: value for n, value in given.items()}
        wanted = {n: tensor.name for n, tensor in definition.outputs.items()}
        try:
            return self.session.run(wanted, feed)
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            raise Refused("INVALID_ARGUMENT", str(error)[:300]) from error


class _Service(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, model):
        self.model = model

    def _answer(self, request, context, function):
        try:
            self.model.find(request.model_spec.name, request.model_spec.version.value)
            return function()
        except Refused as error:
            return context.abort(getattr(grpc.StatusCode, error.code), error.message)

    def Predict(self, request, context):
        def answer():
            given = {n: tf.make_ndarray(tensor) for n, tensor in request.inputs.items()}
            response = predict_pb2.PredictResponse()
            for name, value in self.model.run(request.model_spec.signature_name, given).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

        return self._answer(request, context, answer)

    def GetModelMetadata(self, request, context):
        def answer():
            found = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in self.model.signatures.items():
                found.signature_def[name].CopyFrom(definition)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(found)
            return response

        return self._answer(request, context, answer)

    def GetModelStatus(self, request, context):
        def answer():
            response = get_model_status_pb2.GetModelStatusResponse()
            response.model_version_status.add(version=1, state="AVAILABLE")
            return response

        return self._answer(request, context, answer)


@contextlib.contextmanager
def serve_grpc(model):
    """Inside, the address of a server; its `stop` is the second value."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    service = _Service(model)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", lambda: server.stop(None).wait()
    finally:
        server.stop(None)


class _Handler(http.server.BaseHTTPRequestHandler):
    model: Model

    def do_GET(self):
        self._answer(None)

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body):
        try:
            status, content = 200, self._content(body)
        except Refused as error:
            status, content = HTTP[error.code], {"error": error.message}
        data = json.dumps(content).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has left
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def _content(self, body):
        found = re.fullmatch(
            r"/v1/models/([^/:]+)(?:/versions/(\d+))?(|/metadata|:predict)", self.path
        )
        if not found:
            raise Refused("INVALID_ARGUMENT", f"Malformed request: {self.command} {self.path}")
        name, version, what = found.groups()
        self.model.find(urllib.parse.unquote(name), int(version or 0))
        if what == "":
            state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}
            return {"model_version_status": [state]}
        if what == "/metadata":
            signatures = {
                n: json_format.MessageToDict(s, preserving_proto_field_name=True)
                for n, s in self.model.signatures.items()
            }
            return {"metadata": {"signature_def": {"signature_def": signatures}}}
        return self._predict(json.loads(body))

    def _predict(self, body):
        definition = self.model.signature(body.get("signature_name", "serving_default"))
        rows = "instances" in body
        columns = body.get("inputs")
        if rows:
            columns = {n: [row[n] for row in body["instances"]] for n in body["instances"][0]}
        given = {n: _tensor(value, definition.inputs.get(n)) for n, value in columns.items()}
        outputs = self.model.run(body["signature_name"], given)
        plain = {n: _plain(value) for n, value in outputs.items()}
        if rows:
            count = len(next(iter(plain.values())))
            cells = [{n: value[i] for n, value in plain.items()} for i in range(count)]
            single = len(plain) == 1
            return {"predictions": [next(iter(x.values())) for x in cells] if single else cells}
        return {"outputs": next(iter(plain.values())) if len(plain) == 1 else plain}

    def log_message(self, *_):
        pass


def _tensor(value, info):
    """JSON as a tensor of a signature's type, as strictly as the server."""
    if info is None:
        raise Refused("INVALID_ARGUMENT", "no such input")
    dtype = tf.as_dtype(info.dtype)
    if dtype == tf.string:
        return np.array([base64.b64decode(one["b64"]) for one in value], dtype=object)
    try:
        array = np.array(value)
    except ValueError as error:
        raise Refused("INVALID_ARGUMENT", "ragged tensor") from error
    if array.dtype.kind not in ("iu" if dtype.is_integer else "iuf"):
        raise Refused("INVALID_ARGUMENT", f"JSON Value is not {dtype.name}")
    return array.astype(dtype.as_numpy_dtype)


def _plain(value):
    if value.dtype == object:
        return [text.decode() for text in value]
    return value.tolist()


@contextlib.contextmanager
def serve_rest(model):
    """As `serve_grpc`."""
    handler = type("Handler", (_Handler,), {"model": model})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop():
        server.shutdown()
        server.server_close()

    try:
        yield f"127.0.0.1:{server.server_address[1]}", stop
    finally:
        stop()
