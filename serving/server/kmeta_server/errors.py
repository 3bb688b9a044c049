"""What a client is told when a request cannot be answered."""


class RequestError(Exception):
    """A request is refused: `status` of HTTP and one line of text."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def wrong(text, received):
    """A request that is wrong in itself: what was expected, and what came instead."""
    return RequestError(400, f"{text}. Received: {received}")
