"""The clients against services made of the official stubs, or against a real TensorFlow Serving.

KMETA_TFSERVING and KMETA_TFSERVING_REST name the gRPC and the REST port of a server that has, as
model "kmeta", the bundle of KMETA_TFSERVING_BUNDLE. What needs a faulty server is left out then,
and what needs a variable that is not set.
"""

import contextlib
import io
import os
import pathlib
import re
import socketserver
import threading
import time
import tomllib

import bundled
import numpy as np
import pytest
import tensorflow as tf
from kmeta_client import GrpcClient, RestClient, ServingError
from kmeta_client.deploy import deploy, main
from PIL import Image
from quick_cases import others_slow
from tensorflow_serving.apis import prediction_log_pb2

import kmeta
from kmeta.exporting import load_bundle

from .stub_server import Model, serve_grpc, serve_rest

CLIENTS = {"gRPC": (GrpcClient, serve_grpc), "REST": (RestClient, serve_rest)}
REAL = {"gRPC": "KMETA_TFSERVING", "REST": "KMETA_TFSERVING_REST"}
is_real = "KMETA_TFSERVING" in os.environ
stub_only = pytest.mark.skipif(is_real, reason="needs a server with faults")
HERE = pathlib.Path(kmeta.__file__).parents[1] / "serving" / "tf_serving"


def setting(name):
    """A variable that a test against a real server needs."""
    return os.environ.get(name) or pytest.skip(f"needs {name}: see serving/tf_serving/README.md")


@pytest.fixture(scope="module")
def served(exported):
    """The bundle on the server."""
    if is_real:
        return pathlib.Path(setting("KMETA_TFSERVING_BUNDLE"))
    return exported("prototypical")[1]


@pytest.fixture(scope="module")
def model(request):
    return None if is_real else Model(request.getfixturevalue("served") / "saved_model" / "1")


@pytest.fixture(scope="module")
def sample(served):
    return {**bundled.stored(served), **bundled.inputs(served)}


@pytest.fixture(scope="module", params=CLIENTS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def address(kind, model):
    if is_real:
        yield setting(REAL[kind])
        return
    with CLIENTS[kind][1](model) as (address, _):
        yield address


@pytest.fixture
def client(kind, address):
    return CLIENTS[kind][0](address)


def test_every_signature(client, served, sample):
    images = sample["images"]
    names = load_bundle(served).class_names
    expected = sample["probabilities"]
    answer = client.predict(images)
    np.testing.assert_allclose(answer.probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(answer.score, expected.max(-1), atol=1e-5)
    assert answer.label == [names[i] for i in answer.probabilities.argmax(-1)]
    assert answer.index is None

    files = list(sample["image_bytes"])
    found = client.predict_files(files).probabilities
    np.testing.assert_allclose(found, sample["serving_bytes/probabilities"], atol=1e-5)
    found = client.call("serving_raw", raw_images=sample["raw_images"])
    expected = sample["serving_raw/probabilities"]
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
    embedded = client.embed(sample["images"])
    np.testing.assert_allclose(embedded, sample["embed/embeddings"], rtol=1e-5, atol=1e-4)

    support = sample["support_images"], sample["support_labels"]
    state = client.adapt(*support)
    assert set(state) == {"prototypes"}
    np.testing.assert_allclose(
        state["prototypes"], sample["adapt/prototypes"], rtol=1e-5, atol=1e-4
    )
    queries = sample["queries"]
    for answer in (client.classify(queries, state), client.episode(*support, queries)):
        np.testing.assert_allclose(
            answer.probabilities, sample["episode/probabilities"], rtol=1e-4, atol=1e-5
        )
        assert answer.label is None
        assert answer.index.dtype == np.int64
        assert answer.index.tolist() == answer.probabilities.argmax(-1).tolist()


def test_bytes_and_pictures(client, sample):
    pixels = np.round(sample["images"] * 255).astype("uint8")
    buffer = io.BytesIO()
    Image.fromarray(pixels[0].squeeze()).save(buffer, "PNG")
    (found,) = client.predict_files([buffer.getvalue()]).probabilities
    np.testing.assert_allclose(found, client.predict(pixels[:1]).probabilities[0], atol=1e-5)


def test_rows(kind, client, sample):
    if kind == "gRPC":
        pytest.skip("rows are a form of REST")
    found = client.call_rows("serving_default", images=sample["images"])
    np.testing.assert_allclose(found["probabilities"], sample["probabilities"], atol=1e-5)
    assert found["label"].tolist() == client.predict(sample["images"]).label
    found = client.call_rows("embed", images=sample["images"])
    np.testing.assert_allclose(
        found["embeddings"], sample["embed/embeddings"], rtol=1e-5, atol=1e-4
    )


def test_status_and_metadata(client):
    assert set(client.status().values()) == {"AVAILABLE"}
    metadata = client.metadata()
    assert metadata["episode"] == {
        "inputs": ["queries", "support_images", "support_labels"],
        "outputs": ["index", "probabilities", "score"],
    }
    assert metadata["serving_raw"]["inputs"] == ["raw_images"]
    assert len(metadata) == 7


def test_wrong_requests(kind, address, client, sample):
    images = sample["images"]
    make = CLIENTS[kind][0]
    unknown = "FAILED_PRECONDITION" if kind == "gRPC" else "INVALID_ARGUMENT"
    for code, call in (
        (unknown, lambda: client.call("no_such_signature", images=images)),
        ("INVALID_ARGUMENT", lambda: client.call("embed", pictures=images)),
        ("INVALID_ARGUMENT", lambda: client.predict(images[:, :9])),
        ("INVALID_ARGUMENT", lambda: client.call("embed", images=np.array([b"text"]))),
        (
            "INVALID_ARGUMENT",
            lambda: client.call(
                "adapt",
                support_images=images,
                support_labels=np.zeros(len(images), "float32") + 0.5,
            ),
        ),
        ("INVALID_ARGUMENT", lambda: client.adapt(images[:2], np.array([0, 2]))),
        ("NOT_FOUND", lambda: make(address, model="other").predict(images)),
        ("NOT_FOUND", lambda: make(address, version=99).predict(images)),
    ):
        with pytest.raises(ServingError) as error:
            call()
        assert error.value.code == code, error.value
        assert str(error.value).startswith(f"{code}: ")


def test_texts(kind, client, monkeypatch):
    for wrong in (["text"], np.array(["text"]), [None], [[1], [1, 2]], [{}]):
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: "):
            client.call("serving_bytes", image_bytes=wrong)
    if kind == "REST":
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: rows: "):
            client.call_rows("classify", queries=[1.0, 2.0], prototypes=[1.0])
    monkeypatch.setattr(client, "_call", lambda _, given: given)
    for texts in ([b"ab\0\0", b"c"], np.array([b"ab\0\0", b"c"], dtype=object), ["ab\0\0", "c"]):
        assert client.call("serving_bytes", image_bytes=texts)["image_bytes"].tolist() == [
            b"ab\0\0",
            b"c",
        ]


@contextlib.contextmanager
def answering(*parts, pause=0.0):
    """Inside, the address of a server that gives each request these bytes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(1 << 16)
            with contextlib.suppress(OSError):  # the client has left
                for part in parts:
                    self.request.sendall(part)
                    time.sleep(pause)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "127.0.0.1:{1}".format(*server.server_address)
        server.shutdown()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (HEAD % 100 + b"{", "UNAVAILABLE"),
        (b"nonsense\r\n\r\n", "UNAVAILABLE"),
        (b"", "UNAVAILABLE"),
        (HEAD % 4 + b"text", "UNAVAILABLE"),
        (HEAD % 2 + b"{}", "INTERNAL"),
        (HEAD % 2 + b"[]", "INTERNAL"),
        (HEAD % 14 + b'{"outputs":{}}', "INTERNAL"),
        (HEAD % 27 + b'{"outputs":{"a":[1,[2,3]]}}', "INTERNAL"),
    ],
)
def test_answers_that_are_none(answer, code):
    with answering(answer) as address:
        client = RestClient(address, retries=0, timeout=5)
        with pytest.raises(ServingError) as error:
            client.predict(np.zeros((1, 28, 28, 1)))
        assert error.value.code == code


@pytest.mark.parametrize(
    "head", [HEAD % 100, b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_the_deadline_is_of_the_whole_answer(head):
    with answering(head, *[b" "] * 40, pause=0.1) as address:
        with pytest.raises(ServingError, match="DEADLINE_EXCEEDED: no answer within 0.5 s"):
            RestClient(address, timeout=0.5).status()


def test_names_of_outputs_after_a_new_version(monkeypatch):
    """A single output comes without its name, which the client has asked for before."""
    client, names, refuses = RestClient("nowhere:1"), ["prototypes"], False

    def request(what, _=None):
        if refuses:
            raise ServingError("INVALID_ARGUMENT", "other inputs")
        if what == "/metadata":
            known = {"adapt": {"outputs": {name: {} for name in names}}}
            return {"metadata": {"signature_def": {"signature_def": known}}}
        return {"outputs": [1.0] if len(names) == 1 else {name: [1.0] for name in names}}

    monkeypatch.setattr(client, "_request", request)
    for names in (["prototypes"], ["embedded", "labels"], ["prototypes"]):
        assert sorted(client.call("adapt")) == names
    refuses = True
    with pytest.raises(ServingError):
        client.call("classify")
    names, refuses = ["memory"], False
    assert sorted(client.call("adapt")) == names
    client._known = {"adapt": {"outputs": ["embedded", "labels"]}}
    assert sorted(client.call("adapt")) == names


def test_types_are_installed():
    project = tomllib.loads((HERE / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["package-data"] == {"kmeta_client": ["py.typed"]}
    assert (HERE / "kmeta_client" / "py.typed").is_file()


def test_a_real_server_needs_settings(monkeypatch):
    monkeypatch.delenv("KMETA_TFSERVING_BUNDLE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs KMETA_TFSERVING_BUNDLE: see "):
        setting("KMETA_TFSERVING_BUNDLE")


@stub_only
def test_any_name_of_a_model(kind, address):
    with pytest.raises(ServingError, match="NOT_FOUND: .*a b/c"):
        CLIENTS[kind][0](address, model="a b/c").status()


@stub_only
def test_deadline(kind, address, sample):
    client = CLIENTS[kind][0](address, model="slow", timeout=0.3)
    with pytest.raises(ServingError) as error:
        client.call("serving_default", images=sample["images"])
    assert error.value.code == "DEADLINE_EXCEEDED"


@stub_only
def test_unavailable_is_tried_again_and_nothing_else(kind, address, model, sample):
    images = sample["images"]
    client = CLIENTS[kind][0](address, model="flaky", retries=1)
    for _ in range(2):
        found = client.predict(images).probabilities
        np.testing.assert_allclose(found, sample["probabilities"], atol=1e-5)
    model.requests = 0
    with pytest.raises(ServingError, match="UNAVAILABLE: "):
        CLIENTS[kind][0](address, model="flaky", retries=0).call("embed", images=images)
    model.requests = 0
    with pytest.raises(ServingError, match="NOT_FOUND: "):
        CLIENTS[kind][0](address, model="other", retries=3).status()
    assert model.requests == 1


@stub_only
def test_server_that_is_gone(kind, model, sample):
    make, serve = CLIENTS[kind]
    with serve(model) as (address, stop):
        client = make(address, retries=1)
        client.predict(sample["images"])
        stop()
        with pytest.raises(ServingError) as error:
            client.predict(sample["images"])
        assert error.value.code == "UNAVAILABLE"


def warm_up(path):
    """Signature and inputs of each warm-up request, as the official messages read them."""
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    for record in tf.data.TFRecordDataset(str(file)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        given = {n: tf.make_ndarray(tensor) for n, tensor in request.inputs.items()}
        yield request.model_spec.signature_name, given


def test_warm_up_requests(exported):
    """One for each signature, and they can be run."""
    path = exported("prototypical")[1] / "saved_model" / "1"
    model, seen = Model(path), []
    for signature, given in warm_up(path):
        seen.append(signature)
        assert model.run(signature, given)
    assert sorted(seen) == sorted(n for n in model.signatures if not n.startswith("__"))


def test_deploy(exported, tmp_path, capsys):
    bundle = exported("prototypical")[1]
    assert deploy(bundle, tmp_path / "models" / "kmeta") == 1
    assert main([str(bundle), str(tmp_path / "models" / "kmeta"), "--batching"]) == 0
    assert capsys.readouterr().out.endswith("kmeta: version 2\n")
    one, two = (tmp_path / "models" / "kmeta" / version for version in "12")
    original = bundle / "saved_model" / "1" / "saved_model.pb"
    assert (one / "saved_model.pb").read_bytes() == original.read_bytes()
    assert not (one / "batching_params.pbtxt").exists()
    assert "max_batch_size { value: 64 }" in (two / "batching_params.pbtxt").read_text()
    assert sorted(p.name for p in one.parent.iterdir()) == ["1", "2"]
    assert main([str(tmp_path), str(tmp_path / "models")]) == 2
    assert "Expected the folder of a bundle" in capsys.readouterr().err


def test_warm_up_requests_take_no_room(exported):
    """However large the images are."""
    path = exported("prototypical")[1] / "saved_model" / "1"
    assert (path / "assets.extra" / "tf_serving_warmup_requests").stat().st_size < 2000
    (given,) = (given for signature, given in warm_up(path) if signature == "serving_default")
    assert given["images"].shape == (1, 28, 28, 1)
    assert set(given["images"].ravel().tolist()) == {0.5}


@pytest.mark.parametrize("learner", others_slow(["prototypical", "full context"], ["prototypical"]))
def test_warm_up_requests_of_a_batched_model(exported, learner, tmp_path):
    """The server refuses to batch, and then to load, what has not one row an image."""
    source = exported(learner)[1] / "saved_model" / "1"
    deploy(exported(learner)[1], tmp_path, batching=True)
    model, seen = Model(tmp_path / "1"), set()
    for signature, given in warm_up(tmp_path / "1"):
        seen.add(signature)
        (images,) = given.values()
        assert 1 <= len(images) <= 64  # max_batch_size
        rows = {name: len(value) for name, value in model.run(signature, given).items()}
        assert set(rows.values()) == {len(images)}, (signature, rows)
    assert seen == {"serving_default", "serving_bytes", "serving_raw", "embed"}
    changed = {"assets.extra/tf_serving_warmup_requests"}
    for file in (path for path in source.rglob("*") if path.is_file()):
        name = file.relative_to(source).as_posix()
        assert (file.read_bytes() == (tmp_path / "1" / name).read_bytes()) == (name not in changed)


def test_configuration_agrees():
    """The three ways to start the server give it the same options and files that are there."""
    texts = {name: (HERE / name).read_text() for name in ("Containerfile", "compose.yaml")}
    options = {
        name: set(re.findall(r"--(?:port|\w+_\w+)=[^\s\",\]]+", t)) for name, t in texts.items()
    }
    assert options["Containerfile"] == options["compose.yaml"]
    assert "--enable_per_model_batching_parameters=true" in options["compose.yaml"]
    for option in options["compose.yaml"]:
        if "=/config/" in option:
            assert (HERE / "config" / option.rsplit("/", 1)[1]).is_file()
    assert len(set(re.findall(r"tensorflow/serving:[\d.]+", "".join(texts.values())))) == 1
    models = (HERE / "config" / "models.config").read_text()
    assert re.findall(r'name: "([\w-]+)"', models) == ["kmeta", "kmeta-rows"]
    readme, root = (HERE / "README.md").read_text(), HERE.parents[1]
    deployed = re.findall(r"kmeta-deploy bundle (\S+)", readme)
    assert [root / path for path in deployed] == [
        HERE / "models" / m for m in ("kmeta", "kmeta-rows")
    ]
    assert "./models:/models" in texts["compose.yaml"]
    assert (root / re.findall(r"docker compose -f (\S+) up", readme)[0]).samefile(
        HERE / "compose.yaml"
    )
    assert "/v1/models/kmeta," in (HERE / "kubernetes.yaml").read_text()
