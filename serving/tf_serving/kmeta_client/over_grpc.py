"""TensorFlow Serving's gRPC interface, by the official stubs."""

# The stubs make their classes when they are imported, and are an extra.
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false

import grpc
import numpy as np
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from kmeta_client.client import Client, ServingError

_FLOAT, _UINT8, _STRING, _INT64 = 1, 4, 7, 9  # of tensorflow.DataType
_NO_LIMIT = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class GrpcClient(Client):
    """A model on a gRPC port; see `Client`. Without encryption, as the official image listens."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._channel = grpc.insecure_channel(self.address, options=_NO_LIMIT)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def close(self):
        """Close the connection."""
        self._channel.close()

    def _call(self, signature, inputs):
        request = self._addressed(predict_pb2.PredictRequest())
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            _fill(request.inputs[name], value)
        response = self._sent(self._predictions.Predict, request)
        return {name: _array(tensor) for name, tensor in response.outputs.items()}

    def _status(self):
        request = self._addressed(get_model_status_pb2.GetModelStatusRequest())
        response = self._sent(self._models.GetModelStatus, request)
        states = get_model_status_pb2.ModelVersionStatus.State
        return {one.version: states.Name(one.state) for one in response.model_version_status}

    def _metadata(self):
        request = self._addressed(get_model_metadata_pb2.GetModelMetadataRequest())
        request.metadata_field.append("signature_def")
        response = self._sent(self._predictions.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        return {
            name: {"inputs": sorted(signature.inputs), "outputs": sorted(signature.outputs)}
            for name, signature in found.signature_def.items()
            if not name.startswith("__")
        }

    def _addressed(self, request):
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return request

    def _sent(self, method, request):
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise ServingError(error.code().name, error.details()) from error


def _fill(tensor, array):
    """Write an array into a `TensorProto`."""
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if array.dtype == object:
        tensor.dtype = _STRING
        tensor.string_val.extend(array.ravel().tolist())
    else:
        kind = "raw" if array.dtype == np.uint8 else array.dtype.kind
        sent = {"raw": (_UINT8, "u1"), "i": (_INT64, "<i8"), "u": (_INT64, "<i8")}
        tensor.dtype, dtype = sent.get(kind, (_FLOAT, "<f4"))
        tensor.tensor_content = array.astype(dtype).tobytes()


def _array(tensor):
    """Read a `TensorProto`."""
    shape = [dimension.size for dimension in tensor.tensor_shape.dim]
    if tensor.dtype == _STRING:
        return np.array([x.decode() for x in tensor.string_val], dtype=object).reshape(shape)
    kind = {_FLOAT: ("<f4", tensor.float_val), _INT64: ("<i8", tensor.int64_val)}
    dtype, values = kind[tensor.dtype]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, dtype).reshape(shape)
    values = np.array(values, dtype)  # shortened where the last one repeats
    size = int(np.prod(shape))
    return np.pad(values, (0, size - len(values)), "edge" if len(values) else "constant").reshape(
        shape
    )
