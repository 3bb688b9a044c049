"""What a server says of itself and of its models."""

import asyncio
import importlib.metadata

from starlette.responses import Response

from kmeta_server import grown, openapi, pictures, protocol
from kmeta_server.errors import as_json
from kmeta_server.repository import models

NAME = "kmeta-server"


class About:
    """The endpoints that answer without a body."""

    def __init__(self, repository, settings, metrics):
        self._repository, self._settings, self._metrics = repository, settings, metrics

    async def about(self, _):
        """Name and version of the server."""
        version = _version()
        settings = self._settings
        return as_json(
            {
                "name": NAME,
                "version": version,
                "extensions": ["binary_tensor_data"],
                "parameters": {
                    "max_request_bytes": settings.max_request_bytes,
                    "max_picture_pixels": settings.max_picture_pixels,
                    "allow_export": settings.allow_export,
                },
            }
        )

    async def openapi(self, _):
        """What can be asked, for programs that write clients."""
        return as_json(openapi.document(_version()))

    async def live(self, _):
        """It answers, hence it lives."""
        return as_json({"live": True})

    async def ready(self, _):
        """Whether there is anything to ask."""
        is_ready = bool(self._repository.served)
        return as_json({"ready": is_ready}, 200 if is_ready else 503)

    async def index(self, _):
        """The models that are served."""
        found = models(self._repository.served)
        return as_json(
            [{"name": n, "version": s.version, "state": "READY"} for n, s in found.items()]
        )

    async def metrics_text(self, _):
        """For Prometheus."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def describe(self, request):
        """Inputs and outputs of a model."""
        served, signature = self._repository.find(**request.path_params)
        classifier = served.classifier
        most = pictures.most(classifier, self._settings)
        return as_json(
            {
                "name": request.path_params["model"],
                "versions": [served.version],
                "platform": "onnxruntime_onnx",
                "inputs": [tensor.describe() for tensor in signature.inputs.values()],
                "outputs": [tensor.describe() for tensor in signature.outputs.values()],
                "parameters": {
                    "signature": signature.name,
                    "class_names": classifier.class_names,
                    "threshold": classifier.threshold,
                    "unknown": classifier.unknown,
                    "most_pictures": most,
                    "light_background": most > 0 and classifier.light_background,
                    "can_grow": classifier.fixed_way is None,
                },
            }
        )

    async def model_ready(self, request):
        """A model that is there is ready."""
        self._repository.find(**request.path_params)
        return as_json({"name": request.path_params["model"], "ready": True})

    async def state(self, request):
        """What is known of the classes of a bundle; clients that add some begin with it."""
        served, _ = self._repository.find(**request.path_params)
        reader = grown.state_reader(served.classifier, self._settings)
        known, name = served.classifier.known(), request.path_params["model"]
        content, headers = await asyncio.to_thread(
            protocol.response, protocol.Request([]), name, served.version, known, reader.datatypes
        )
        return Response(content, headers=headers)


def _version():
    try:
        return importlib.metadata.version(NAME)
    except importlib.metadata.PackageNotFoundError:
        return "0"  # run from its sources
