"""What a client is told: JSON, and errors where a request cannot be answered."""

import msgspec
from starlette.responses import Response


class RequestError(Exception):
    """A request is refused: `status` of HTTP and one line of text."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def wrong(text, received):
    """A request that is wrong in itself: what was expected, and what came instead."""
    return RequestError(400, f"{text}. Received: {received}")


def as_json(content, status=200):
    """A response."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")
