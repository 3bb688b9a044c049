"""The server over time: new versions, damaged ones, its end; its command line; its batches."""

import asyncio
import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from kmeta_edge import FewShotClassifier

from .server_process import SERVING, Server, start

for _name in ("starlette", "uvicorn", "msgspec", "prometheus_client"):
    pytest.importorskip(_name, reason=f'needs {_name}, of the extra "test"')


@pytest.fixture
def queries(support):
    return support[1]


@pytest.fixture
def versions(bundle, support, tmp_path):
    """Two bundles, of which the second has one class more."""
    classifier = FewShotClassifier.load(bundle)
    classifier.add_class("dog", support[0]["dog"])
    classifier.save(tmp_path / "grown")
    return bundle, tmp_path / "grown"


def appear(bundle, path):
    """Copy a bundle; it is at `path` as a whole or not at all."""
    hidden = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(exist_ok=True, parents=True)
    shutil.copytree(bundle, hidden)
    os.rename(hidden, path)


def damage(bundle):
    model = bundle / "adapt.onnx"
    data = model.read_bytes()
    model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def version(server, name="model"):
    return server.get(f"/v2/models/{name}")["versions"][0]


def test_a_new_version_under_load(versions, queries, tmp_path):
    """No request fails or gets an answer that is not that of the version that it names."""
    place = tmp_path / "models" / "model"
    appear(versions[0], place / "1")
    expected = [FewShotClassifier.load(path).predict(queries) for path in versions]
    stop, answers = threading.Event(), []

    def ask(server, number):
        connection = server.connect()
        while not stop.is_set():
            index = number % len(queries)
            found, response = server.infer("model", {"images": queries[index, None]}, connection)
            answers.append((index, response["model_version"], found["probabilities"]))
            number += 1

    with Server("--models-dir", tmp_path / "models") as server:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, server, number) for number in range(4)]
            try:
                time.sleep(0.3)
                appear(versions[1], place / "2")
                server.wait_for(lambda: version(server) == "2")
                time.sleep(0.3)
            finally:
                stop.set()
            for one in asked:
                one.result()
    served = [answer[1] for answer in answers]
    assert min(served.count("1"), served.count("2")) > 5
    for index, which, found in answers:
        np.testing.assert_allclose(found, expected[int(which) - 1][index, None], atol=1e-6)


def test_folders_that_come_and_go(versions, queries, tmp_path):
    models = tmp_path / "models"
    appear(versions[0], models / "model" / "9")
    with Server(versions[0], "--models-dir", models) as server:
        assert version(server) == "9"
        appear(versions[1], models / "model" / "10")
        server.wait_for(lambda: version(server) == "10")
        assert len(server.get("/v2/models/model")["parameters"]["class_names"]) == 4
        assert server.get("/v2/models/model")["outputs"][0]["shape"] == [-1, 4]

        broken = tmp_path / "broken"
        shutil.copytree(versions[0], broken)
        damage(broken)
        appear(broken, models / "model" / "11")
        refused = 'kmeta_loads_total{model="model",outcome="refused"}'
        server.wait_for(lambda: server.metric(refused) == 1)
        time.sleep(0.5)  # it is looked at again, and not read again
        assert server.metric(refused) == 1 and version(server) == "10"
        damage(models / "model" / "11")  # twice is none
        server.wait_for(lambda: version(server) == "11")

        damage(models / "model" / "11")  # what is served is in memory, and whole
        server.wait_for(lambda: server.metric(refused) == 2)
        expected = FewShotClassifier.load(versions[0]).predict(queries)
        found, response = server.infer("model", {"images": queries})
        assert response["model_version"] == "11"
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
        shutil.rmtree(models / "model" / "11")  # back to the one before
        server.wait_for(lambda: version(server) == "10")

        appear(versions[0], models / "another")
        server.wait_for(lambda: server.ask("GET", "/v2/models/another")[0] == 200)
        assert server.metric("kmeta_bundles") == 3
        shutil.rmtree(models / "another")
        server.wait_for(lambda: server.ask("GET", "/v2/models/another")[0] == 404)
        shutil.rmtree(models)
        assert server.get("/v2/models/bundle/ready")["ready"]
    lines = server.log.splitlines()
    refusals = [line for line in lines if "refused for model: The bundle" in line]
    assert sum("adapt.onnx has changed since it was written" in line for line in refusals) >= 2
    assert len(lines) <= 12, lines
    assert "Traceback" not in server.log


def test_a_bundle_that_is_replaced(versions, queries, tmp_path):
    """In its place, as `kmeta export --overwrite` and `kmeta-edge` do."""
    with Server(versions[0]) as server:
        before = version(server, "bundle")
        FewShotClassifier.load(versions[1]).save(versions[0], overwrite=True)
        server.wait_for(lambda: version(server, "bundle") != before)
        found, _ = server.infer("bundle", {"images": queries})
        expected = FewShotClassifier.load(versions[1]).predict(queries)
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
        assert set(found["label"]) <= {"ant", "bee", "cat", "dog"}


def test_a_start_with_a_broken_version(versions, tmp_path):
    """A restart serves what was served before."""
    appear(versions[0], tmp_path / "model" / "1")
    appear(versions[1], tmp_path / "model" / "2")
    damage(tmp_path / "model" / "2")
    with Server(tmp_path / "model") as server:
        assert version(server) == "1"
    assert server.log.count("refused for model") == 1


def test_requests_are_answered_before_the_end(bundle, queries):
    with Server(bundle, "--batch-delay", 1500) as server:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            body = {"images": queries[:1]}
            asked = [pool.submit(server.infer, "bundle", body) for _ in range(4)]
            time.sleep(0.7)
            server.process.send_signal(signal.SIGTERM)
            for one in asked:
                assert one.result()[0]["probabilities"].shape == (1, 3)
        assert server.process.wait(timeout=20) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect().connect()
    assert server.log.count("\n") == 1, server.log


def test_mistakes_on_the_command_line(bundle, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    shutil.copytree(bundle, tmp_path / "other" / "bundle")
    broken = shutil.copytree(bundle, tmp_path / "broken")
    damage(broken)
    with Server(bundle) as running:
        port = running.address.split(":")[1]
        failures = [
            ([], "error: give a BUNDLE, or --models-dir DIR"),
            ([tmp_path / "none"], "none', which is not a folder"),
            ([tmp_path / "empty"], "has no manifest.json and no folders of versions"),
            ([broken], "is damaged: adapt.onnx has changed since it was written"),
            ([bundle, tmp_path / "other" / "bundle"], "Two models are called bundle: "),
            (["--models-dir", tmp_path / "none"], "Expected a folder of models. Received: "),
            ([bundle, "--port", port], f"Cannot listen on 127.0.0.1, port {port}: Address already"),
            ([bundle, "--host", "300.1.1.1"], "Cannot listen on 300.1.1.1"),
            ([bundle, "--port", "70000"], "expected a number from 0 to 65535, received '70000'"),
            ([bundle, "--workers", "0"], "expected a whole number of at least 1, received '0'"),
            ([bundle, "--max-request-mb", "0"], "expected a number above 0, received '0'"),
            ([bundle, "--batch-delay", "-1"], "expected a number of at least 0, received '-1'"),
            ([bundle, "--ports", "1"], "unrecognized arguments: --ports 1"),
        ]
        started = [(start("--port", 0, *arguments), text) for arguments, text in failures]
        for process, text in started:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 2, errors
            assert text in errors and errors.startswith("kmeta-server: error: ")
            assert errors.count("\n") == 1, errors


def test_kmeta_serve(bundle, tmp_path):
    """The command of kmeta has the options of the server, or says what to install."""
    script = "import sys; from kmeta.cli.main import main; sys.exit(main())"
    path = os.pathsep.join([str(SERVING.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}

    def run(arguments, script, **changes):
        return subprocess.run(
            [sys.executable, "-c", script, "serve", *map(str, arguments)],
            env={**environment, **changes},
            capture_output=True,
            text=True,
            check=False,
        )

    for blocked in ("kmeta_server", "uvicorn"):
        without = f"import sys; sys.modules['{blocked}'] = None\n" + script
        both = os.pathsep.join([path, str(SERVING / "edge"), str(SERVING / "server")])
        found = run([bundle, "--port", "0"], without, PYTHONPATH=both)
        assert found.returncode == 2
        assert found.stderr.startswith("kmeta serve: error: kmeta serve needs the package")
        assert "pip install ./serving/edge ./serving/server" in found.stderr
        assert found.stderr.count("\n") == 1
    found = run(["--workers", "0"], script, PYTHONPATH=both)
    assert found.returncode == 2 and "--workers: expected a whole number" in found.stderr
    process = subprocess.Popen(
        [sys.executable, "-c", script, "serve", bundle, "--port", "0"],
        env={**environment, "PYTHONPATH": both},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_fault_in_a_batch_is_of_one_request_alone():
    from kmeta_server.batching import Batcher, Workers

    class Signature:
        def run(self, given):
            if (given["images"] < 0).any():
                raise MemoryError("too much")
            return {"twice": 2 * given["images"]}

    async def ask():
        sizes = []
        batcher = Batcher(Signature(), Workers(1), 4, 0.01, sizes.append)
        calls = [batcher.run({"images": np.array([x, x])}) for x in (1, -1, 2, 3, 4)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        return found, sizes

    found, sizes = asyncio.run(ask())
    assert isinstance(found[1], MemoryError)
    for index, x in ((0, 1), (2, 2), (3, 3), (4, 4)):
        assert found[index]["twice"].tolist() == [2 * x, 2 * x]
    assert sizes == [4, 2, 2, 4, 2]


def test_images_for_which_a_batch_has_no_room_are_in_the_next():
    from kmeta_server.batching import Batcher, Workers

    class Signature:
        def run(self, given):
            return {"same": given["images"]}

    async def ask(*counts):
        batcher = Batcher(Signature(), Workers(2), 4, 0.01, lambda _: None)
        calls = [batcher.run({"images": np.full(count, count)}) for count in counts]
        return await asyncio.wait_for(asyncio.gather(*calls), 5)

    for counts in ((2, 3), (3, 3, 3), (1, 2, 4, 3, 9, 1)):
        found = asyncio.run(ask(*counts))
        assert [answer["same"].tolist() for answer in found] == [[n] * n for n in counts]


def test_a_client_that_gives_up_takes_nobody_along():
    from kmeta_server.batching import Batcher, Workers

    class Signature:
        def run(self, given):
            time.sleep(0.05)
            return {"same": given["images"]}

    async def ask():
        batcher = Batcher(Signature(), Workers(1), 4, 0, lambda _: None)
        calls = [asyncio.ensure_future(batcher.run({"images": np.array([x])})) for x in range(6)]
        await asyncio.sleep(0.02)
        calls[2].cancel()
        calls[5].cancel()
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)

    found = asyncio.run(ask())
    for index in (0, 1, 3, 4):
        assert found[index]["same"].tolist() == [index]
    assert all(isinstance(found[index], asyncio.CancelledError) for index in (2, 5))


def test_a_client_that_gives_up_while_its_batch_is_predicted():
    from kmeta_server.batching import Batcher, Workers

    class Signature:
        def run(self, given):
            begun.set()
            assert leave.wait(5)
            return {"same": given["images"]}

    begun, leave = threading.Event(), threading.Event()

    async def ask():
        batcher = Batcher(Signature(), Workers(1), 4, 0.01, lambda _: None)
        calls = [asyncio.ensure_future(batcher.run({"images": np.array([x])})) for x in range(3)]
        await asyncio.to_thread(begun.wait, 5)
        calls[0].cancel()  # it found the worker free, and took the others along
        await asyncio.sleep(0)
        leave.set()
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)

    found = asyncio.run(ask())
    assert isinstance(found[0], asyncio.CancelledError)
    assert [answer["same"].tolist() for answer in found[1:]] == [[1], [2]]


@pytest.mark.parametrize("trouble", [OSError("Too many open files"), MemoryError()])
def test_a_bundle_that_could_not_be_read_is_read_again(bundle, tmp_path, monkeypatch, trouble):
    from kmeta_server import repository
    from kmeta_server.metrics import Metrics
    from kmeta_server.settings import Settings

    lines, load = [], FewShotClassifier.load
    monkeypatch.setattr(repository.log, "log", lambda _, text: lines.append(text))

    def fail(*_):
        raise trouble

    (tmp_path / "models").mkdir()
    found = repository.Repository([], tmp_path / "models", Settings(), Metrics())
    appear(bundle, tmp_path / "models" / "model")
    monkeypatch.setattr(FewShotClassifier, "load", fail)
    for _ in range(3):
        found.refresh()
    assert not found.served
    assert len(lines) == 1 and lines[0].startswith("refused for model: ")
    monkeypatch.setattr(FewShotClassifier, "load", load)
    found.refresh()
    assert set(found.served) == {"model"}


def test_a_folder_with_the_name_of_a_signature_is_refused(versions, tmp_path, monkeypatch):
    from kmeta_server import repository
    from kmeta_server.metrics import Metrics
    from kmeta_server.settings import Settings

    lines, models = [], tmp_path / "models"
    monkeypatch.setattr(repository.log, "log", lambda _, text: lines.append(text))
    for name in ("a.embed", "a.2"):
        appear(versions[0], models / name)
    found = repository.Repository([], models, Settings(), Metrics())
    assert set(found.served) == {"a.embed", "a.2"}
    appear(versions[1], models / "a")
    for _ in range(2):
        found.refresh()
    assert set(found.served) == {"a", "a.2"}
    assert found.find("a.embed")[0].name == "a"
    assert [line for line in lines if "refused" in line] == [
        f"refused for a.embed: Model a has a signature of this name. Received: "
        f"'{models / 'a.embed'}'"
    ]
    appear(versions[0], tmp_path / "a.adapt")
    with pytest.raises(ValueError, match="Model a has a signature of this name"):
        repository.Repository([tmp_path / "a.adapt"], models, Settings(), Metrics())
