"""Bodies of requests: how large, how slow, and how many at the same time."""

import asyncio
import contextlib
import heapq
import itertools

from starlette.requests import ClientDisconnect

from kmeta_server.errors import RequestError

PACE_BYTES, PACE_SECONDS = 1 << 16, 5  # a body must bring so many bytes in so many seconds
WAIT_SECONDS = 60  # of a body for room
SMALL = 1 << 16  # bytes of a body that needs no room: the number of connections bounds these
_LARGE = 1 << 20  # bytes from which a body leaves a quarter of the room to smaller ones


class Bodies:
    """Reads bodies; those in memory have at most `room` bytes together, beside small ones.

    A body waits for room before it is read (the client sees that as a slow network), the smallest
    first.
    """

    def __init__(self, largest, room):
        """Make a reader.

        Args:
            largest: bytes of a body.
            room: bytes of all bodies that are read or answered at the same time.
        """
        self._largest = largest
        self._reserve = max(room, 2 * largest) // 4
        self._free = 4 * self._reserve
        self._waiting, self._count = [], itertools.count()

    @contextlib.asynccontextmanager
    async def read(self, request):
        """The body of a request as a bytearray, which takes its room inside `with`.

        Raises:
            RequestError: if it is compressed, too large or too slow, or if there is no room for
                long. uvicorn reads on what a client still sends, so that it sees the answer.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "Bodies must not be compressed")
        size = int(request.headers.get("content-length", self._largest))
        if size > self._largest:
            raise self._too_large()
        await self._take(size)
        try:
            yield await self._content(request)
        finally:
            self._give(size)

    def _too_large(self):
        return RequestError(413, f"The body must have at most {self._largest} bytes")

    async def _content(self, request):
        clock = asyncio.get_running_loop().time
        body, reached = bytearray(), PACE_BYTES
        try:
            async with asyncio.timeout(PACE_SECONDS) as limit:
                async for part in request.stream():
                    body += part
                    if len(body) > self._largest:
                        raise self._too_large()
                    if len(body) >= reached:
                        limit.reschedule(clock() + PACE_SECONDS)
                        reached = len(body) + PACE_BYTES
        except TimeoutError as error:
            text = f"The body must bring {PACE_BYTES} bytes, or its rest, in {PACE_SECONDS} s"
            raise RequestError(408, text) from error
        except ClientDisconnect as error:
            text = "The client has gone before its request was complete"
            raise RequestError(400, text) from error
        return body

    async def _take(self, size):
        if size <= SMALL:
            return
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (size, next(self._count), granted))
        self._deal()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.shield(granted)
        except BaseException as error:
            if granted.done():
                self._give(size)
            granted.cancel()
            if isinstance(error, TimeoutError):
                raise RequestError(503, "Too many large bodies at once: try again") from error
            raise

    def _give(self, size):
        if size > SMALL:
            self._free += size
            self._deal()

    def _deal(self):
        """Give room to who waits, the smallest first."""
        while self._waiting:
            size, _, granted = self._waiting[0]
            if not granted.cancelled():
                if size + (self._reserve if size > _LARGE else 0) > self._free:
                    return
                self._free -= size
                granted.set_result(None)
            heapq.heappop(self._waiting)
