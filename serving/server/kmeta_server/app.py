"""The paths of a server, and what is done at each."""

import asyncio
import contextlib
import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from kmeta_server import page
from kmeta_server.about import NAME, About
from kmeta_server.errors import RequestError, as_json
from kmeta_server.hosts import KnownHosts
from kmeta_server.service import Service

log = logging.getLogger(NAME)
_MODEL = "/v2/models/{model}"
_MODELS = (_MODEL, _MODEL + "/versions/{version}")


def make_app(repository, settings, metrics):
    """The application for a `Repository`, `Settings` and `Metrics`."""
    about = About(repository, settings, metrics)
    service = Service(repository, settings, metrics)
    return Starlette(
        routes=[
            Route("/v2", about.about),
            Route("/v2/health/live", about.live),
            Route("/v2/health/ready", about.ready),
            Route("/v2/repository/index", about.index, methods=["POST"]),
            Route("/metrics", about.metrics_text),
            Route("/openapi.json", about.openapi),
            *(Route(path, about.describe) for path in _MODELS),
            *(Route(path + "/ready", about.model_ready) for path in _MODELS),
            *(Route(path + "/infer", service.infer, methods=["POST"]) for path in _MODELS),
            Route(_MODEL + "/pictures", service.pictures, methods=["POST"]),
            Route(_MODEL + "/prepare", service.prepare, methods=["POST"]),
            Route(_MODEL + "/state", about.state),
            Route(_MODEL + "/thumbnails", about.thumbnails),
            Route(_MODEL + "/bundle", service.bundle, methods=["POST"]),
            *page.routes(),
        ],
        exception_handlers={
            RequestError: _refused,
            HTTPException: _refused,
            Exception: lambda *_: _failed(500, "The server failed; its log says how"),
        },
        middleware=[Middleware(KnownHosts, names=settings.hosts, refuse=_failed)],
        lifespan=_watching(repository, settings.reload_seconds),
    )


def _watching(repository, seconds):
    """A lifespan in which new versions are looked for."""

    @contextlib.asynccontextmanager
    async def lifespan(_):
        watch = asyncio.create_task(_watch(repository, seconds))
        yield
        watch.cancel()

    return lifespan


async def _watch(repository, seconds):
    trouble = None
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(repository.refresh)
            trouble = None
        except Exception as error:  # what is loaded is served on, whatever happens on disk
            if trouble != str(error):
                log.error("cannot look for new versions: %s", error)
            trouble = str(error)


async def _refused(_, error):
    """The answer for an error that the client made."""
    if isinstance(error, HTTPException):  # of the path or the method
        return _failed(error.status_code, error.detail)
    return _failed(error.status, str(error))


def _failed(status, text):
    return as_json({"error": " ".join(text.split())}, status)
