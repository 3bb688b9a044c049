"""The server: what it says of its models, its answers, and what it refuses."""

import concurrent.futures
import json
import socket
import tomllib

import bundled
import numpy as np
import pytest
from kmeta_edge import FewShotClassifier

from kmeta.exporting import load_bundle

from .server_process import HEADER, SERVING, Server, binary_request, request, values

for _name in ("starlette", "uvicorn", "msgspec", "prometheus_client"):
    pytest.importorskip(_name, reason=f'needs {_name}, of the extra "test"')

LEARNERS = {"classes": "prototypical", "items": "matching"}  # by what a row of the state is
SIGNATURES = ("embed", "adapt", "classify", "episode")
LIMIT_MB = 2


@pytest.fixture(scope="module")
def bundles(exported):
    return {rows: exported(name)[1] for rows, name in LEARNERS.items()}


@pytest.fixture(scope="module")
def server(bundles):
    limits = ("--max-request-mb", LIMIT_MB, "--max-images", 300, "--batch-size", 8)
    with Server(*bundles.values(), *limits, "--workers", 2) as server:
        yield server
    assert server.process.returncode == 0
    assert server.log.count("\n") == len(bundles), server.log


@pytest.fixture(params=LEARNERS)
def served(request, bundles):
    """The name of a model, and its bundle."""
    return bundles[request.param].name, bundles[request.param]


@pytest.fixture(scope="module")
def queries(support):
    return support[1]


def run_onnx(bundle, signature, given):
    """What the ONNX files of a bundle make of inputs."""
    return bundled.models(bundle).run(signature, given)


def inputs_of(bundle, signature):
    """The bundle's own sample for a signature."""
    names = json.loads((bundle / "manifest.json").read_text())["signatures"][signature]["inputs"]
    return {name: value for name, value in bundled.inputs(bundle).items() if name in names}


def equal(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        if array.dtype.kind in "fi":
            np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-6)
        else:
            assert found[name].tolist() == array.tolist()


def test_the_extra_for_tests_has_what_the_server_needs():
    project = tomllib.loads((SERVING / "server" / "pyproject.toml").read_text())["project"]
    setup = (SERVING.parent / "setup.py").read_text()
    for needed in project["dependencies"]:
        assert f'"{needed}"' in setup or needed.startswith("kmeta-edge")


def test_what_it_says_of_itself(server):
    about = server.get("/v2")
    assert about["name"] == "kmeta-server"
    assert about["extensions"] == ["binary_tensor_data"]
    assert server.get("/v2/health/live") == {"live": True}
    assert server.get("/v2/health/ready") == {"ready": True}
    assert "no model 'none'. There are: matching" in server.get("/v2/models/none", 404)["error"]
    assert server.get("/v3", 404) == {"error": "Not Found"}
    assert server.ask("GET", "/v2/models/prototypical/infer")[0] == 405


def test_what_it_says_of_models(server, served):
    name, bundle = served
    found = server.get(f"/v2/models/{name}")
    (version,) = found["versions"]
    assert found["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 28, 28, 1]}]
    assert found["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
    ]
    parameters = found["parameters"]
    assert parameters["class_names"] == ["ant", "bee", "cat"]
    assert parameters["unknown"] == "unknown" and parameters["threshold"] == 0.0
    for signature in SIGNATURES:
        path = f"/v2/models/{name}.{signature}/versions/{version}"
        assert server.get(f"{path}/ready") == {"name": f"{name}.{signature}", "ready": True}
        found = {t["name"]: t for t in server.get(path)["inputs"]}
        given = inputs_of(bundle, signature)
        assert set(found) == set(given)
        for tensor in given:
            shape = [-1, *given[tensor].shape[1:]]
            datatype = "INT64" if given[tensor].dtype == "int64" else "FP32"
            assert found[tensor] == {"name": tensor, "datatype": datatype, "shape": shape}
    assert "It has: " + version in server.get(f"/v2/models/{name}/versions/7", 404)["error"]
    _, _, index = server.ask("POST", "/v2/repository/index")
    listed = {model["name"]: model for model in json.loads(index)}
    assert listed[f"{name}.adapt"]["version"] == version
    assert listed[name]["state"] == "READY"


def test_predictions(server, served, queries):
    name, bundle = served
    expected = load_bundle(bundle).predict(queries)
    for nested in (False, True):
        found, response = server.infer(name, {"images": queries}, nested=nested, id="seven")
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
        np.testing.assert_allclose(found["score"], expected.max(-1), atol=1e-6)
        assert found["label"].tolist() == [["ant", "bee", "cat"][i] for i in expected.argmax(-1)]
        assert response["model_name"] == name and response["id"] == "seven"
    pixels = (queries * 255).astype("uint8")
    found, _ = server.infer(name, {"images": pixels})
    np.testing.assert_allclose(
        found["probabilities"], load_bundle(bundle).predict(pixels), atol=1e-6
    )
    many = np.concatenate([queries] * 4)  # more than a batch
    found, _ = server.infer(name, {"images": many}, outputs=[{"name": "score"}])
    equal(found, {"score": np.concatenate([expected.max(-1)] * 4)})


@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_signature(server, served, signature):
    name, bundle = served
    given = inputs_of(bundle, signature)
    expected = run_onnx(bundle, signature, given)
    assert np.ptp(next(array for array in expected.values() if array.dtype == "float32")) > 1e-4
    for nested in (False, True):
        equal(server.infer(f"{name}.{signature}", given, nested=nested)[0], expected)
    headers, body = binary_request(given, parameters={"binary_data_output": True})
    path = f"/v2/models/{name}.{signature}/infer"
    status, headers, body = server.ask("POST", path, body, headers)
    assert status == 200
    length = int(headers[HEADER])
    rest, found = body[length:], {}
    for tensor in json.loads(body[:length])["outputs"]:
        size = tensor["parameters"]["binary_data_size"]
        dtype = {"FP32": "<f4", "INT64": "<i8"}[tensor["datatype"]]
        found[tensor["name"]] = np.frombuffer(rest[:size], dtype).reshape(tensor["shape"])
        rest = rest[size:]
    assert not rest
    equal(found, expected)


def test_binary_texts(server, queries):
    options = {"outputs": [{"name": "label", "parameters": {"binary_data": True}}]}
    headers, body = binary_request({"images": queries[:2]}, **options)
    _, headers, body = server.ask("POST", "/v2/models/prototypical/infer", body, headers)
    labels = server.infer("prototypical", {"images": queries[:2]})[0]["label"]
    expected = b"".join(len(x).to_bytes(4, "little") + x.encode() for x in labels)
    assert body[int(headers[HEADER]) :] == expected
    assert json.loads(body[: int(headers[HEADER])])["outputs"] == [
        {
            "name": "label",
            "datatype": "BYTES",
            "shape": [2],
            "parameters": {"binary_data_size": len(expected)},
        }
    ]


def test_new_classes_without_state_on_the_server(server, served, support, queries):
    name, bundle = served
    images = support[0]
    labels = np.arange(4).repeat([len(shots) for shots in images.values()])
    given = {"support_images": np.concatenate(list(images.values())), "support_labels": labels}
    state, _ = server.infer(f"{name}.adapt", given)
    found, _ = server.infer(f"{name}.classify", {"queries": queries, **state})
    classifier = FewShotClassifier.load(bundle)
    classifier.add_class("dog", images["dog"])
    np.testing.assert_allclose(found["probabilities"], classifier.predict(queries), atol=1e-5)
    assert server.get(f"/v2/models/{name}")["parameters"]["class_names"] == ["ant", "bee", "cat"]
    # More comparisons than are made at once: the same in parts.
    many = {"support_images": np.tile(given["support_images"], (20, 1, 1, 1))}
    many |= {"support_labels": np.tile(labels, 20), "queries": np.tile(queries, (15, 1, 1, 1))}
    assert len(many["queries"]) * len(many["support_labels"]) > 1 << 14
    headers, body = binary_request(many)
    status, _, body = server.ask("POST", f"/v2/models/{name}.episode/infer", body, headers)
    assert status == 200, body
    found = {t["name"]: values(t) for t in json.loads(body)["outputs"]}
    np.testing.assert_allclose(
        found["probabilities"], run_onnx(bundle, "episode", many)["probabilities"], atol=1e-5
    )


def test_raw_pixels_of_any_size(server, served):
    name, bundle = served
    rng = np.random.default_rng(3)
    for height, width in ((50, 31), (310, 320)):  # --max-images is no limit of these
        raw = rng.integers(0, 256, (2, height, width, 3)).astype("uint8")
        found, _ = server.infer(f"{name}.serving_raw", {"raw_images": raw[:1]})
        expected = run_onnx(bundle, "serving_raw", {"raw_images": raw[:1]})
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-6)
    body = request({"raw_images": raw[:, :0]})
    text = server.refused(f"{name}.serving_raw", body)
    assert "height from 1 to 16384. Received: [2, 0, 320" in text
    raw = raw[:, :50, :31]
    body = request({"raw_images": raw[..., :2]})
    text = server.refused(f"{name}.serving_raw", body)
    assert "'raw_images' must have the shape [batch, height, width, channels], 1 or 3" in text


def wrong(queries, **changes):
    """A request for predictions with something else in its tensor."""
    body = request({"images": queries[:2]})
    body["inputs"][0] |= changes
    return body


def test_what_is_refused(server, queries):
    refused = server.refused
    for changes, text in (
        ({"name": "image"}, "Inputs must be images, each once. Received: image"),
        ({"datatype": "FP64"}, "'images' must have the datatype FP32 or UINT8. Received: FP64"),
        ({"shape": [2, 784]}, "'images' must have the shape [batch, 28, 28, 1]. Received: [2, 784"),
        ({"shape": [2, 28, 27, 1]}, "Received: [2, 28, 27, 1]"),
        ({"shape": [3, 28, 28, 1]}, "must have data of its shape [3, 28, 28, 1]. Received: [1568]"),
        ({"shape": [0, 28, 28, 1], "data": []}, "batch from 1 to 300. Received: [0, 28, 28, 1]"),
        ({"shape": [301, 28, 28, 1]}, "batch from 1 to 300. Received: [301, 28, 28, 1]"),
        ({"shape": [-1, 28, 28, 1]}, "batch from 1 to 300. Received: [-1, 28, 28, 1]"),
        ({"shape": [2.5, 28, 28, 1]}, "Expected `int`, got `float` - at `$.inputs[0].shape[0]`"),
        ({"data": ["0.5"] * 1568}, "Expected `float`, got `str` - at `$[0]`"),
        ({"data": [None] * 1568}, "Expected `float`, got `null`"),
        ({"data": [True] * 1568}, "Expected `float`, got `bool`"),
        ({"data": [[[1.0]], [[1.0, 2.0]]]}, "must have data of FP32, flat or as its shape [2, 28"),
        ({"data": queries[:1].tolist()}, "of its shape [2, 28, 28, 1]. Received: [1, 28, 28, 1]"),
        ({"data": {"a": 1}}, "Expected `array`, got `object`"),
        ({"data": [1e39] * 1568}, "'images' must be finite. Received: NaN or infinity"),
        ({"datatype": "UINT8", "data": [256] * 1568}, "must have data of UINT8, flat or as its"),
        ({"datatype": "UINT8", "data": [0.5] * 1568}, "Expected `int`, got `float`"),
        ({"parameters": {"binary_data_size": 4}}, "binary_data_size of input 'images' must fit"),
    ):
        assert text in refused("prototypical", wrong(queries, **changes)), text
    body = wrong(queries)
    del body["inputs"][0]["data"]
    assert "Input 'images' must have data. Received: none" in refused("prototypical", body)
    twice = {"inputs": wrong(queries)["inputs"] * 2}
    assert "each once. Received: images, images" in refused("prototypical", twice)
    outputs = {**wrong(queries), "outputs": [{"name": "logits"}]}
    assert refused("prototypical", outputs) == (
        "Outputs of model 'prototypical' are probabilities, label, score. Received: logits"
    )
    assert "There is no model 'ant'" in refused("ant", wrong(queries), 404)
    assert "no version '3'" in refused("prototypical/versions/3", wrong(queries), 404)


def test_inputs_whose_outputs_are_not_finite(server, bundles):
    given = inputs_of(bundles["classes"], "classify")
    huge = {**given, "prototypes": np.full_like(given["prototypes"], 1e38)}
    text = "Inputs must give finite outputs. Received: NaN or infinity in "
    for options in ({}, {"outputs": [{"name": "index"}]}):
        found = server.refused("prototypical.classify", request(huge, **options))
        assert found == text + "probabilities, score"
    headers, body = binary_request(huge, parameters={"binary_data_output": True})
    assert text in server.refused("prototypical.classify", body, 400, headers)


@pytest.mark.parametrize("value", [-0.1, 1.1, 255.0])
def test_pixels_that_are_refused(server, queries, value):
    """Of whatever signature; rounding passes."""
    wrong = queries.copy()
    wrong[0, 3, 4] = value
    for name in ("prototypical", "prototypical.embed"):
        text = server.refused(name, request({"images": wrong}))
        assert text.startswith("Argument `images` must hold floats in [0, 1] or uint8. Received: ")
    wrong[0, 3, 4] = 1.0005
    server.infer("prototypical", {"images": wrong})


def test_support_sets_that_are_refused(server, bundles):
    given = inputs_of(bundles["items"], "episode")
    name = f"{bundles['items'].name}.episode"
    for labels, text in (
        ([0, 1, 3], "from 0 to the largest of them. Received: 0, 1, 3"),
        ([1, 1, 2], "from 0 to the largest of them. Received: 1, 2"),
        ([-1, 0, 1], "Received: -1, 0, 1"),
        ([0, 1, 2**62], f"Received: 0, 1, {2**62}"),
        ([0, 1], "shape [items], with items = 3 by another input. Received: 2"),
    ):
        body = request({**given, "support_labels": np.array(labels)})
        assert text in server.refused(name, body)
    body = request(given)
    (labels,) = (tensor for tensor in body["inputs"] if tensor["name"] == "support_labels")
    labels["data"] = [0, 1, 2**70]
    assert "'support_labels' must have data of INT64" in server.refused(name, body)
    labels |= {"datatype": "FP32", "data": [0, 1, 2]}
    assert "must have the datatype INT64. Received: FP32" in server.refused(name, body)
    given = inputs_of(bundles["items"], "classify")
    body = request({**given, "labels": given["labels"] + 1})
    name = f"{bundles['items'].name}.classify"
    assert "Input 'labels' must hold every integer from 0" in server.refused(name, body)


def test_bodies_that_are_refused(server, queries):
    def refused(*arguments):
        return server.refused("prototypical", *arguments)

    for body in (b"", b"{", b"[]", b"\xff\xfe", b'{"inputs": 3}', b"[" * 100_000, b"nonsense"):
        assert "The body is no request for inference" in refused(body)
    deep = '{"inputs":[{"name":"images","datatype":"FP32","shape":[1,28,28,1],"data":%s}]}'
    assert "must have data of FP32" in refused(deep % ("[" * 900 + "]" * 900))
    assert "no request" in refused(deep % ("[" * 100_000 + "]" * 100_000))
    headers, body = binary_request({"images": queries[:2]})
    assert "binary_data_size of input 'images' must fit" in refused(body[:-1], 400, headers)
    assert "1 bytes that belong to no input" in refused(body + b"x", 400, headers)
    assert "must be at most the length" in refused(body, 400, {HEADER: "9" * 9})
    assert "must be at most the length" in refused(body, 400, {HEADER: "-1"})
    assert "must be at most the length" in refused(body, 400, {HEADER: "9" * 5000})
    assert "no request for inference" in refused(body, 400, {HEADER: "10"})
    size = f'"binary_data_size": {queries[:2].nbytes}'.encode()
    shorter = body.replace(size, size.replace(b"6272", b"6268"))[:-4]
    assert "must have 6272 bytes. Received: 6268 bytes" in refused(shorter, 400, headers)
    nan = binary_request({"images": np.full((1, 28, 28, 1), np.nan, "float32")})
    assert "must be finite" in refused(nan[1], 400, nan[0])
    assert "must not be compressed" in refused(b"x", 415, {"Content-Encoding": "gzip"})


def test_bodies_that_are_too_large(server, queries):
    limit = LIMIT_MB << 20
    text = f"The body must have at most {limit} bytes"
    for size in (limit + 1, 5 * limit):
        assert text in server.refused("prototypical", b" " * size, 413)
    status, _, body = server.ask(
        "POST", "/v2/models/prototypical/infer", iter([b" " * limit, b" "])
    )
    assert (status, json.loads(body)) == (413, {"error": text})  # sent in chunks
    body = json.dumps(request({"images": queries})).encode()
    largest = body + b" " * (limit - len(body))
    assert server.ask("POST", "/v2/models/prototypical/infer", largest)[0] == 200


def test_clients_that_leave(server, queries):
    host, port = server.address.split(":")
    start = "POST /v2/models/prototypical/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
    for text in (start + "{", "nonsense\r\n\r\n", "GET /v2 HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text.encode())
    server.infer("prototypical", {"images": queries})


def test_answers_come_at_once():
    """The body of an answer does not wait until the client has acknowledged its head."""
    from kmeta_server.server import _listen

    with _listen("127.0.0.1", 0) as listening:
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_requests_at_the_same_time(bundles, queries):
    """Each gets its own answer, also where several were predicted together."""
    expected = load_bundle(bundles["classes"]).predict(queries)
    with Server(bundles["classes"], "--batch-size", 8, "--batch-delay", 20) as server:

        def ask(number):
            connection, answers = server.connect(), []
            for step in range(10):
                chosen = np.arange(number, number + 1 + (number + step) % 4) % len(queries)
                given = {"images": queries[chosen]}
                found = server.infer("prototypical", given, connection)[0]
                answers.append((chosen, found["probabilities"]))
            return answers

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = [pair for found in pool.map(ask, range(8)) for pair in found]
        for chosen, found in answers:
            np.testing.assert_allclose(found, expected[chosen], atol=1e-6)
        label = '{model="prototypical"}'
        assert server.metric("kmeta_batch_images_sum" + label) == sum(len(x) for x, _ in answers)
        assert server.metric("kmeta_batch_images_count" + label) < len(answers) / 2
        assert server.metric('kmeta_batch_images_bucket{le="8.0",model="prototypical"}') == (
            server.metric("kmeta_batch_images_count" + label)
        )
        server.refused("prototypical", "{")
        server.refused("none", "{", 404)
        for status, model, count in (("200", "prototypical", 80), ("400", "prototypical", 1)):
            name = f'kmeta_requests_total{{model="{model}",status="{status}"}}'
            assert server.metric(name) == count
        assert server.metric('kmeta_requests_total{model="",status="404"}') == 1
        assert server.metric("kmeta_request_seconds_count" + label) == 81
        assert server.metric("process_resident_memory_bytes") > 1e6
