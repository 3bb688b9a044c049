"""The endpoints of the Open Inference Protocol V2 over HTTP."""

import asyncio
import contextlib
import importlib.metadata
import logging
import time

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from kmeta_server import protocol
from kmeta_server.batching import Batcher, Workers
from kmeta_server.bodies import SMALL, Bodies
from kmeta_server.errors import RequestError
from kmeta_server.hosts import KnownHosts
from kmeta_server.repository import models

NAME = "kmeta-server"
_TYPES = ("", "application/json", "application/octet-stream")  # "" where a client gives none
log = logging.getLogger(NAME)


def make_app(repository, settings, metrics):
    """The application for a `Repository`, `Settings` and `Metrics`."""
    service = Service(repository, settings, metrics)
    model = "/v2/models/{model}"
    version = model + "/versions/{version}"
    return Starlette(
        routes=[
            Route("/v2", service.about),
            Route("/v2/health/live", service.live),
            Route("/v2/health/ready", service.ready),
            Route("/v2/repository/index", service.index, methods=["POST"]),
            Route("/metrics", service.metrics_text),
            *(Route(path, service.describe) for path in (model, version)),
            *(Route(path + "/ready", service.model_ready) for path in (model, version)),
            *(Route(path + "/infer", service.infer, methods=["POST"]) for path in (model, version)),
        ],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _refused,
            Exception: lambda *_: _failed(500, "The server failed; its log says how"),
        },
        middleware=[Middleware(KnownHosts, names=settings.hosts, refuse=_failed)],
        lifespan=service.lifespan,
    )


class Service:
    """What the endpoints do."""

    def __init__(self, repository, settings, metrics):
        self._repository, self._settings, self._metrics = repository, settings, metrics
        self._workers = Workers(settings.workers)
        self._bodies = Bodies(settings.max_request_bytes, settings.max_bodies_bytes)
        self._reading = asyncio.Semaphore(1)  # of long bodies: JSON takes memory while it is read

    @contextlib.asynccontextmanager
    async def lifespan(self, _):
        """Looks for new versions while the application runs."""
        watch = asyncio.create_task(self._watch())
        yield
        watch.cancel()

    async def _watch(self):
        trouble = None
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            try:
                await asyncio.to_thread(self._repository.refresh)
                trouble = None
            except Exception as error:  # what is loaded is served on, whatever happens on disk
                if trouble != str(error):
                    log.error("cannot look for new versions: %s", error)
                trouble = str(error)

    async def about(self, _):
        """Name and version of the server."""
        version = _version()
        return _json({"name": NAME, "version": version, "extensions": ["binary_tensor_data"]})

    async def live(self, _):
        """It answers, hence it lives."""
        return _json({"live": True})

    async def ready(self, _):
        """Whether there is anything to ask."""
        is_ready = bool(self._repository.served)
        return _json({"ready": is_ready}, 200 if is_ready else 503)

    async def index(self, _):
        """The models that are served."""
        found = models(self._repository.served)
        return _json(
            [{"name": n, "version": s.version, "state": "READY"} for n, s in found.items()]
        )

    async def metrics_text(self, _):
        """For Prometheus."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def describe(self, request):
        """Inputs and outputs of a model."""
        served, signature = self._find(request)
        classifier = served.classifier
        return _json(
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
                },
            }
        )

    async def model_ready(self, request):
        """A model that is there is ready."""
        self._find(request)
        return _json({"name": request.path_params["model"], "ready": True})

    async def infer(self, request):
        """An answer, counted."""
        status, known, begin = 500, "", time.perf_counter()
        try:
            served, signature = self._find(request)
            known = request.path_params["model"]
            _check_type(request)
            async with self._bodies.read(request) as body:
                begin = time.perf_counter()
                content, headers = await self._answer(request, body, served, signature)
            status = 200
        except RequestError as error:
            status = error.status
            raise
        finally:
            self._metrics.requests.labels(known, str(status)).inc()
            if known:
                self._metrics.seconds.labels(known).observe(time.perf_counter() - begin)
        return Response(content, headers=headers)

    def _find(self, request):
        return self._repository.find(**request.path_params)

    async def _answer(self, request, body, served, signature):
        """The content and the headers of a response."""
        given, wanted = await self._inputs(request, body, signature)
        if signature.by_rows:
            outputs = await self._batcher(served, signature).run(given)
        else:
            outputs = await self._workers.run(signature, given)
        datatypes = {name: tensor.datatype for name, tensor in signature.outputs.items()}
        many = sum(values.size for values in outputs.values()) * 8 > SMALL
        model = request.path_params["model"]
        return await _thread_if(
            many, protocol.response, wanted, model, served.version, outputs, datatypes
        )

    def _batcher(self, served, signature):
        """The one of a signature, made when it is first needed; it goes with its bundle."""
        if signature.name not in served.batchers:
            name = served.name if signature.name == "serving_default" else f"{served.name}.embed"
            served.batchers[signature.name] = Batcher(
                signature,
                self._workers,
                self._settings.batch_size,
                self._settings.batch_delay,
                self._metrics.images.labels(name).observe,
            )
        return served.batchers[signature.name]

    async def _inputs(self, request, body, signature):
        """The checked inputs in a body, and the request without their data; long ones one by one,
        in another thread, so that others need not wait."""
        arguments = signature, body, request.headers.get(protocol.BINARY_HEADER)
        if len(body) <= SMALL:
            return _read(*arguments)
        async with self._reading:
            return await asyncio.to_thread(_read, *arguments)


def _check_type(request):
    """Refuse what pages of strangers can send without asking: forms, text."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        expected = f"The body must be {' or '.join(_TYPES[1:])} by its Content-Type"
        raise RequestError(415, f"{expected}. Received: {kind[:80]}")


def _read(signature, body, json_length):
    """The checked inputs of a body, and the request without their data."""
    request, binary = protocol.parse(body, json_length)
    given = signature.read(request, binary)
    request.inputs = []
    return given, request


async def _thread_if(condition, function, *arguments):
    """The result of a function, in another thread where that is worth it."""
    return await asyncio.to_thread(function, *arguments) if condition else function(*arguments)


def _json(content, status=200):
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def _refused(_, error):
    """The answer for an error that the client made."""
    if isinstance(error, HTTPException):  # of the path or the method
        return _failed(error.status_code, error.detail)
    return _failed(error.status, str(error))


def _failed(status, text):
    return _json({"error": " ".join(text.split())}, status)


def _version():
    try:
        return importlib.metadata.version(NAME)
    except importlib.metadata.PackageNotFoundError:
        return "0"  # run from its sources
