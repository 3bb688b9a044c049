"""The endpoints that compute: answers to tensors and to pictures, and bundles of other classes."""

import asyncio
import time

import msgspec
from starlette.responses import Response

from kmeta_server import grown, pictures, protocol
from kmeta_server.batching import Batcher, Workers
from kmeta_server.bodies import SMALL, Bodies
from kmeta_server.errors import RequestError, wrong

_TYPES = ("", "application/json", "application/octet-stream")  # "" where a client gives none


class Service:
    """What they do."""

    def __init__(self, repository, settings, metrics):
        self._repository, self._settings, self._metrics = repository, settings, metrics
        self._workers = Workers(settings.workers)
        self._bodies = Bodies(settings.max_request_bytes, settings.max_bodies_bytes)
        # Of long bodies and pictures, one at a time: they take memory while they are read.
        self._reading = asyncio.Semaphore(1)

    async def infer(self, request):
        """An answer, counted."""
        return await self._counted(request, _TYPES, self._answer)

    async def pictures(self, request):
        """What a bundle says of pictures that come as files."""
        return await self._counted(request, pictures.TYPES, self._name_pictures)

    async def prepare(self, request):
        """Pictures that come as files, as the model sees them: `images` of its signatures."""
        return await self._counted(request, pictures.TYPES, self._prepare)

    async def bundle(self, request):
        """A bundle of other classes as an archive, where that is allowed."""
        if not self._settings.allow_export:
            raise RequestError(403, "The server must be started with --allow-export")
        return await self._counted(request, _TYPES, self._pack)

    async def _counted(self, request, types, answer):
        """The response that a function makes of a body, counted."""
        status, known, begin = 500, "", time.perf_counter()
        try:
            served, signature = self._find(request)
            known = request.path_params["model"]
            _check_type(request, types)
            async with self._bodies.read(request) as body:
                begin = time.perf_counter()
                content, headers = await answer(request, body, served, signature)
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
        outputs = await self._run(served, signature, given)
        many = sum(values.size for values in outputs.values()) * 8 > SMALL
        model, datatypes = request.path_params["model"], signature.datatypes
        return await _thread_if(
            many, protocol.response, wanted, model, served.version, outputs, datatypes
        )

    async def _run(self, served, signature, given):
        """The outputs of a signature for checked inputs."""
        if signature.by_rows:
            return await self._batcher(served, signature).run(given)
        return await self._workers.run(signature, given)

    async def _images(self, request, body, served, signature):
        """The names and bytes of the pictures in a body, and the images that they become."""
        name = request.path_params["model"]
        most = pictures.most(served.classifier, self._settings)
        if signature.name != "serving_default" or not most:
            raise wrong("The model must be a bundle that classifies pictures", name[:80])
        invert = request.query_params.get("invert", "")
        found = await pictures.files(request, body, most)
        body.clear()
        async with self._reading:  # one at a time: a photo takes a hundred MB while it is read
            images = await asyncio.to_thread(
                pictures.prepared, found, served.classifier, self._settings, invert
            )
        return found, images

    async def _name_pictures(self, request, body, served, signature):
        found, images = await self._images(request, body, served, signature)
        outputs = await self._run(served, signature, {"images": images})
        protocol.check_finite(outputs)
        answer = {
            "model_name": request.path_params["model"],
            "model_version": served.version,
            "pictures": pictures.answers(found, served.classifier.class_names, outputs),
        }
        return msgspec.json.encode(answer), {"Content-Type": "application/json"}

    async def _prepare(self, request, body, served, signature):
        _, images = await self._images(request, body, served, signature)
        name, given = request.path_params["model"], {"images": images}
        wanted = protocol.Request([], parameters={"binary_data_output": True})
        return protocol.response(wanted, name, served.version, given, {"images": "FP32"})

    async def _pack(self, request, body, served, signature):
        del signature
        reader = grown.state_reader(served.classifier, self._settings)
        known, wanted = await self._inputs(request, body, reader)
        names, name = grown.class_names(wanted), request.path_params["model"]
        async with self._workers.one:
            content = await asyncio.to_thread(grown.packed, served.classifier, name, names, known)
        return content, {"Content-Type": "application/zip"}

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


def _check_type(request, types):
    """Refuse what is not meant for a path, among it what any page can send: forms, text."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in types:
        expected = f"The body must be {' or '.join(filter(None, types))} by its Content-Type"
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
