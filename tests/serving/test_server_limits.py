"""What one client may take: pixels, memory, time and connections."""

import asyncio
import contextlib
import json
import socket
import threading
import time
import types

import numpy as np
import pytest

from .server_process import Server, binary_request, request

uvicorn, msgspec = pytest.importorskip("uvicorn"), pytest.importorskip("msgspec")
bodies, connections, errors, lists = (
    pytest.importorskip(f"kmeta_server.{name}")
    for name in ("bodies", "connections", "errors", "lists")
)

SHAPE = (2, 28, 28, 1)


@pytest.fixture(scope="module")
def bundle_path(exported):
    return exported("prototypical")[1]


@pytest.fixture(scope="module")
def server(bundle_path):
    limits = ("--max-request-mb", 8, "--max-pixels", 40_000, "--allow-host", "Known.example")
    with Server(bundle_path, *limits) as server:
        yield server


@pytest.fixture
def images():
    return {"images": np.random.default_rng(0).random(SHAPE, dtype="float32")}


def test_pixels_and_sides_of_raw_images(server):
    def refused(*shape):
        body = {"inputs": [{"name": "raw_images", "datatype": "UINT8", "shape": list(shape)}]}
        body["inputs"][0]["parameters"] = {"binary_data_size": 0}
        head = json.dumps(body)
        return server.refused(
            "prototypical.serving_raw",
            head,
            headers={"Inference-Header-Content-Length": str(len(head))},
        )

    assert "width from 1 to 16384. Received: [1, 1, 8000000, 1]" in refused(1, 1, 8_000_000, 1)
    assert "height from 1 to 16384" in refused(1, 16385, 1, 1)
    assert "at most 40000 pixels together. Received: [1, 201, 200, 3]" in refused(1, 201, 200, 3)
    assert "at most 40000 pixels together" in refused(41, 100, 10, 3)
    assert "must have 120000 bytes" in refused(40, 100, 10, 3)  # as far as the shape goes, it fits
    body = request({"images": np.zeros((52, 28, 28, 1), "float32")})
    assert "at most 40000 pixels" in server.refused("prototypical", body)


def test_raw_images_one_by_one_are_those_together(server):
    raw = np.random.default_rng(1).integers(0, 256, (3, 20, 30, 3)).astype("uint8")
    together, _ = server.infer("prototypical.serving_raw", {"raw_images": raw})
    for index in range(3):
        alone, _ = server.infer("prototypical.serving_raw", {"raw_images": raw[index : index + 1]})
        for name in ("probabilities", "score"):
            np.testing.assert_allclose(together[name][index], alone[name][0], atol=1e-6)
    assert np.ptp(together["probabilities"], axis=0).max() > 1e-4


def test_parameters_may_be_null(server, images):
    expected, _ = server.infer("prototypical", images)
    body = request(images, parameters=None, outputs=[{"name": "score", "parameters": None}])
    body["inputs"][0]["parameters"] = None
    status, _, answer = server.ask("POST", "/v2/models/prototypical/infer", json.dumps(body))
    assert status == 200, answer
    (found,) = json.loads(answer)["outputs"]
    np.testing.assert_allclose(found["data"], expected["score"], atol=1e-6)


def test_content_types(server, images):
    path, body = "/v2/models/prototypical/infer", json.dumps(request(images))
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert server.ask("POST", path, body, {"Content-Type": kind})[0] == 200
    headers, binary = binary_request(images)
    headers["Content-Type"] = "application/octet-stream"
    assert server.ask("POST", path, binary, headers)[0] == 200
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; b=x"):
        text = server.refused("prototypical", body, 415, {"Content-Type": kind})
        assert text.endswith(f"by its Content-Type. Received: {kind.partition(';')[0]}")


def test_hosts_and_origins(server):
    port = server.address.rpartition(":")[2]

    def status(**headers):
        return server.ask("GET", "/v2", None, headers)[0]

    for host in ("localhost", "127.0.0.1:1", "192.168.0.7", "[::1]:80", "known.example"):
        assert status(Host=host) == 200, host
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "[::1", "a b"):
        assert status(Host=host) == 400, host
    for origin in (f"http://{server.address}", "https://known.example:444"):
        assert status(Origin=origin) == 200, origin
    assert status(Origin=f"http://localhost:{port}", Host=f"localhost:{port}") == 200
    for origin in ("http://evil.example", "null", "", "http://127.0.0.1:1", "http://[::1"):
        assert status(Origin=origin) == 403, origin


def test_any_host(bundle_path):
    with Server(bundle_path, "--allow-host", "*") as server:
        assert server.ask("GET", "/v2", None, {"Host": "x.example", "Origin": "null"})[0] == 200


@contextlib.contextmanager
def serving(application, **options):
    """The address of an application behind `Connection`, in this process."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            application,
            http=connections.Connection,
            log_config=None,
            limit_concurrency=400,
            lifespan="off",
            **options,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


async def echo(scope, receive, send):
    """Answers with the number of bytes of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


def test_idle_connections_lock_nobody_out():
    """More of them than there is room for: those that have waited longest give way."""
    good = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    with serving(echo, timeout_keep_alive=60) as address, contextlib.ExitStack() as stack:

        def connect():
            connection = stack.enter_context(socket.create_connection(address))
            connection.settimeout(30)
            return connection

        busy = [connect() for _ in range(10)]  # these have a request that has begun
        for connection in busy:
            connection.sendall(good)
        idle = [connect() for _ in range(250)]
        for connection in idle[::2]:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a")
        for _ in range(5):
            connection = connect()
            connection.sendall(good + b"abc")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        for connection in busy:
            connection.sendall(b"abc")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        with contextlib.suppress(ConnectionResetError):
            assert idle[0].recv(1) == b""
        idle[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            idle[-1].recv(1)


def test_headers_that_do_not_come(monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with serving(echo, timeout_keep_alive=60) as address:
        silent = socket.create_connection(address)
        silent.settimeout(30)
        assert silent.recv(1) == b""  # closed by the server
        drips = socket.create_connection(address)
        with pytest.raises(OSError):  # noqa: PT011 (reset or broken pipe)
            for _ in range(600):  # a letter now and then is no header
                drips.sendall(b"P")
                time.sleep(0.05)
        kept = socket.create_connection(address)
        kept.settimeout(30)
        kept.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        time.sleep(1)  # a body has a clock of its own
        kept.sendall(b"def")
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        while kept.recv(1000):  # and is closed when no other header follows
            pass


def fake_request(parts, length=None, **headers):
    """A request whose body comes in parts; a number is a pause in seconds."""

    async def stream():
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                await asyncio.sleep(part)

    size = {} if length is None else {"content-length": str(length)}
    return types.SimpleNamespace(headers={**size, **headers}, stream=stream)


def test_bodies_that_are_too_slow(monkeypatch):
    monkeypatch.setattr(bodies, "PACE_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "PACE_BYTES", 10)

    async def read(parts, length=None):
        async with bodies.Bodies(1000, 2000).read(fake_request(parts, length)) as body:
            return bytes(body)

    assert asyncio.run(read([b"a" * 9, 0.1, b"b"])) == b"a" * 9 + b"b"
    assert len(asyncio.run(read([b"a" * 10, 0.12] * 4))) == 40  # each part in time
    for parts in ([b"a" * 9, 30], [b"a", 0.05] * 100, [b"a" * 100, 30]):
        with pytest.raises(
            errors.RequestError, match="must bring 10 bytes, or its rest, in 0.2 s"
        ) as no:
            asyncio.run(read(parts))
        assert no.value.status == 408
    with pytest.raises(errors.RequestError, match="at most 1000 bytes"):
        asyncio.run(read([b"a" * 600] * 2))
    with pytest.raises(errors.RequestError, match="at most 1000 bytes"):
        asyncio.run(read([], 1001))


def test_room_for_bodies(monkeypatch):
    """Never more than the room; the smallest first; what is given up is given back."""
    monkeypatch.setattr(bodies, "SMALL", 10)
    monkeypatch.setattr(bodies, "_LARGE", 50)
    largest = room = 0
    order = []

    async def hold(reader, size, until):
        nonlocal largest, room
        async with reader.read(fake_request([b"x" * size], size)):
            room += size if size > 10 else 0
            largest = max(largest, room)
            order.append(size)
            await until.wait()
        room -= size if size > 10 else 0

    async def main():
        reader, until, never = bodies.Bodies(100, 200), asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(hold(reader, 100, until))
        await asyncio.sleep(0)
        gone = asyncio.create_task(hold(reader, 90, never))
        rest = [asyncio.create_task(hold(reader, size, until)) for size in (95, 80, 60, 45, 5)]
        await asyncio.sleep(0.01)
        assert order == [100, 5, 45] or order == [100, 45, 5]  # a quarter is left for small ones
        gone.cancel()
        until.set()
        await asyncio.gather(first, *rest)
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        assert order[3:] == [60, 80, 95]
        monkeypatch.setattr(bodies, "WAIT_SECONDS", 0.05)
        full = [asyncio.create_task(hold(reader, 100, never)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(errors.RequestError, match="try again") as no:
            await hold(reader, 90, until)
        assert no.value.status == 503
        for task in full:
            task.cancel()
        await asyncio.gather(*full, return_exceptions=True)
        await hold(reader, 100, until)  # all room is there again

    asyncio.run(main())
    assert 100 < largest <= 200


def test_long_lists_are_decoded_as_short_ones(monkeypatch):
    monkeypatch.setattr(lists, "PART", 7)
    rng = np.random.default_rng(0)
    for shape in ((1,), (3, 4), (2, 3, 1), (5, 1, 2, 3)):
        for array, kind in (
            (rng.normal(size=shape).astype("f4"), float),
            (rng.integers(0, 99, shape), int),
        ):
            for nested in (False, True):
                text = json.dumps((array if nested else array.ravel()).tolist()).encode()
                found = lists.decode(b" " + text, kind, array.dtype, shape, nested)
                np.testing.assert_array_equal(found, array)
                assert found.dtype == array.dtype


@pytest.mark.parametrize(
    ("text", "shape", "nested"),
    [
        ("[1,2,3]", (2,), False),
        ("[1,2]", (3,), False),
        ("[]", (1,), False),
        ('[1,"a,b"]', (3,), False),
        ("[1,[2],3]", (3,), False),
        ("[[1,2],[3]]", (2, 2), True),
        ("[[1,2,3],[4]]", (2, 2), True),
        ("[[[1,2]],[[3,4]]]", (2, 2), True),
        ("[[1,2],[3,null]]", (2, 2), True),
        ("[[1,2],[3,[]]]", (2, 2), True),
        ('[["1","2"],["3","4"]]', (2, 2), True),
        ("[[],[]]", (2, 1), True),
        ("[[1,2],[true,false]]", (2, 2), True),
        ('{"a":1,"b":2}', (2,), False),
        ("[1.5,2]", (2,), False),
    ],
)
def test_long_lists_that_are_refused(monkeypatch, text, shape, nested):
    monkeypatch.setattr(lists, "PART", 2)
    msgspec.json.decode(text)  # valid JSON
    with pytest.raises((ValueError, msgspec.DecodeError)):
        lists.decode(text.encode(), int, np.dtype("i8"), shape, nested)


def test_long_data_in_a_request(server):
    """Of more than a megabyte: the same answers, flat and nested, and the same refusals."""
    images = np.random.default_rng(2).random((51, 28, 28, 1)).round(15)
    inputs = {"images": images.astype("float32")}
    short, _ = server.infer("prototypical", {"images": inputs["images"][:2]})
    for nested in (False, True):
        body = request(inputs)
        body["inputs"][0]["data"] = (images if nested else images.ravel()).tolist()
        text = json.dumps(body, indent=4 if nested else None)
        assert len(text) > lists.PART / 2
        text += " " * lists.PART
        status, _, answer = server.ask("POST", "/v2/models/prototypical/infer", text)
        assert status == 200, answer
        found = json.loads(answer)["outputs"][0]["data"]
        np.testing.assert_allclose(found[:6], short["probabilities"].ravel(), atol=1e-6)
    text = json.dumps(request(inputs)).replace("0.", "null,0.", 1)
    assert "must have data" in server.refused("prototypical", text)
    assert "no request" in server.refused("prototypical", json.dumps(request(inputs))[:-9] + "3[]}")
