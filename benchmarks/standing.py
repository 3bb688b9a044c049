"""Connections that take a server's room: idle ones, half headers, half bodies."""

import contextlib
import selectors
import socket
import threading

LENGTH = 28 << 20  # of a body, of which half is sent
HEADER = (
    "POST /v2/models/model/infer HTTP/1.1\r\nHost: {0}\r\nContent-Type: application/json\r\n"
    f"Content-Length: {LENGTH}\r\n\r\n"
)
PAUSE = 0.02  # seconds between two looks, in which at most `_AT_ONCE` connections are opened
_AT_ONCE = 20


class Standing:
    """Holds connections inside `with`, and opens those again that the server closes.

    Every third idle connection has sent half a header.
    """

    def __init__(self, address, idle, half_sent):
        host, port = address.rsplit(":", 1)
        self._address, self._host = (host, int(port)), address
        kinds = ["header" if number % 3 == 0 else "idle" for number in range(idle)]
        self._missing = kinds + ["body"] * half_sent
        self._selector, self._ended = selectors.DefaultSelector(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._full = threading.Event()
        self.opened, self.wanted = 0, len(self._missing)

    def __enter__(self):
        self._thread.start()
        self._full.wait(60)
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _hold(self):
        while not self._ended.is_set():
            for _ in range(min(_AT_ONCE, len(self._missing))):
                self._open(self._missing.pop())
            if not self._missing:
                self._full.set()
            for key, events in self._selector.select(PAUSE):
                if events & selectors.EVENT_READ:  # an answer or the end
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
                    self._missing.insert(0, key.data[0])
                else:
                    self._send(key.fileobj, *key.data)
            self._ended.wait(PAUSE)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()

    def _open(self, kind):
        try:
            connection = socket.create_connection(self._address, timeout=10)
        except OSError:
            self._missing.insert(0, kind)
            return
        self.opened += 1
        connection.setblocking(False)
        header = HEADER.format(self._host).encode()
        with contextlib.suppress(OSError):
            connection.send({"idle": b"", "header": header[:40], "body": header}[kind])
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if kind == "body" else 0)
        self._selector.register(connection, events, (kind, LENGTH // 2))

    def _send(self, connection, kind, left):
        """Send more of a body, up to its half."""
        with contextlib.suppress(OSError):
            left -= connection.send(b" " * min(left, 1 << 18))
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if left else 0)
        self._selector.modify(connection, events, (kind, left))

    def __str__(self):
        return f"{self.wanted} connections stood idle or half-sent, {self.opened} were opened\n"
