"""A server process: loads, listens, and drains when it is told to stop."""

import contextlib
import ctypes
import logging
import signal
import socket
import sys

import uvicorn

from kmeta_server import connections
from kmeta_server.app import make_app
from kmeta_server.metrics import Metrics
from kmeta_server.repository import Repository

_DRAIN_SECONDS = 30
_MALLOPT = {-8: 2, -3: 1 << 18}  # of glibc: M_ARENA_MAX, and M_MMAP_THRESHOLD in bytes


def serve(bundles, models_dir, settings):
    """Serve until SIGTERM or Ctrl-C; requests that have begun are answered before it returns.

    Args:
        bundles: paths of bundles, or of folders of their versions.
        models_dir: a folder of such, or None.
        settings: `Settings`.

    Raises:
        ValueError: if a bundle cannot be served.
        OSError: if the address cannot be listened on.
        SystemExit: with code 0, after SIGTERM.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn repeats it when it is done
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
    for name in ("uvicorn", "python_multipart"):  # which tell of every odd client
        logging.getLogger(name).setLevel(logging.ERROR)
    _return_memory()
    metrics = Metrics()
    with _listen(settings.host, settings.port) as listening:
        repository = Repository(bundles, models_dir, settings, metrics)
        host, port = listening.getsockname()[:2]
        print(f"http://{f'[{host}]' if ':' in host else host}:{port}/", flush=True)
        config = uvicorn.Config(
            make_app(
                repository, settings._replace(hosts=(*settings.hosts, settings.host)), metrics
            ),
            log_config=None,
            access_log=False,
            ws="none",
            server_header=False,
            proxy_headers=False,
            http=connections.Connection,
            limit_concurrency=2 * connections.most(),
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _return_memory():
    """Let glibc give back what old versions and large requests took.

    Left to itself it keeps a heap for each of many threads, and each in pieces: after twenty
    reloads the server took twice the memory of the first, and more after each.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _MALLOPT.items():
            mallopt(option, value)


def _listen(host, port):
    """A listening socket.

    Raises:
        OSError: if there can be none.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"Cannot listen on {host}, port {port}: {reason}") from error
    # Else the body of an answer waits 40 ms for the client to acknowledge its head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
