"""Connections that send nothing, or too slowly, take no room from those that do."""

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10  # for the header of a request, and for the client to read an answer
MOST = 1024
_GRACE = 0.1  # seconds in which what a new connection has sent already is read
_OTHER_FILES = 64  # of the process, beside its connections


def most():
    """How many connections may stand: `MOST`, or half of what the limit of open files allows.

    As many again may be new. Raises the limit of this process as far as it may.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft) - _OTHER_FILES) // 2


class Connection(H11Protocol):
    """uvicorn's connection, which closes after `HEADER_SECONDS` without a whole header.

    Above half of `limit_concurrency` connections the one that has waited longest for its header
    gives way to the new one, so that idle clients, however many, lock nobody out.
    """

    _timer = None
    since = 0.0

    def connection_made(self, transport):
        super().connection_made(transport)
        self.since = self.loop.time()
        self._watch()
        if self._is_crowded():
            self.loop.call_later(_GRACE, self._make_room)

    def _is_crowded(self):
        return self.limit_concurrency and len(self.connections) > self.limit_concurrency // 2

    def _make_room(self):
        ours = [other for other in self.connections if isinstance(other, Connection)]
        idle = [one for one in ours if one.is_waiting() and not one.transport.is_closing()]
        if self._is_crowded() and idle:
            min(idle, key=lambda other: other.since).transport.abort()

    def is_waiting(self):
        """Whether it has no request that is being read or answered."""
        return self.cycle is None or self.cycle.response_complete

    def data_received(self, data):
        super().data_received(data)
        self._watch()

    def on_response_complete(self):
        self.since = self.loop.time()
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self._stop()

    def _watch(self):
        """Let the clock run while a header is awaited, since the connection or the last answer."""
        if not self.is_waiting():
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _stop(self):
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self):
        self.transport.abort()  # also where the client does not read what it was answered
