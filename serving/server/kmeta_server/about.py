"""What a server says of itself and of its models."""

import asyncio
import importlib.metadata

from starlette.responses import Response

from kmeta_server import described, openapi
from kmeta_server.errors import as_json
from kmeta_server.repository import models

NAME = "kmeta-server"


class About:
    """The endpoints that answer without a body."""

    def __init__(self, repository, settings, metrics):
        self._repository, self._settings, self._metrics = repository, settings, metrics

    async def about(self, _):
        """Name and version of the server."""
        return as_json(
            {
                "name": NAME,
                "version": _version(),
                "extensions": ["binary_tensor_data"],
                "parameters": described.limits(self._settings),
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
        name, settings = request.path_params["model"], self._settings
        return as_json(
            described.model(name, served.version, signature, served.classifier, settings)
        )

    async def model_ready(self, request):
        """A model that is there is ready."""
        self._repository.find(**request.path_params)
        return as_json({"name": request.path_params["model"], "ready": True})

    async def state(self, request):
        """What is known of the classes of a bundle; clients that add some begin with it."""
        served, _ = self._repository.find(**request.path_params)
        name, settings = request.path_params["model"], self._settings
        content, headers = await asyncio.to_thread(
            described.state, name, served.version, served.classifier, settings
        )
        return Response(content, headers=headers)

    async def thumbnails(self, request):
        """Small copies of pictures that a bundle was made of."""
        served, _ = self._repository.find(**request.path_params)
        name = request.path_params["model"]
        content, headers = await asyncio.to_thread(
            described.thumbnails, name, served.version, served.classifier
        )
        return Response(content, headers=headers)


def _version():
    try:
        return importlib.metadata.version(NAME)
    except importlib.metadata.PackageNotFoundError:
        return "0"  # run from its sources
