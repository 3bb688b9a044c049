"""Pictures over HTTP, the state of classes, bundles of other classes, the page, and OpenAPI."""

import io
import json
import uuid
import zipfile

import jsonschema
import numpy as np
import pytest
from kmeta_edge import FewShotClassifier
from openapi_spec_validator import validate
from PIL import Image
from quick_cases import others_slow

from kmeta.data.pictures import picture

from .server_process import HEADER, Server, binary_request

pictures = pytest.importorskip("kmeta_server.pictures", reason='needs the extra "test"')

NAME = "prototypical"
LIMITS = ("--max-request-mb", 2, "--max-pixels", 28 * 28 * 10, "--max-picture-pixels", 500_000)


@pytest.fixture(scope="module")
def bundle(exported):
    return exported(NAME)[1]


@pytest.fixture(scope="module")
def server(bundle):
    with Server(bundle, *LIMITS, "--allow-export") as server:
        yield server
    assert server.process.returncode == 0


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def files():
    """Bytes of pictures of many kinds by their types, none of the model's size."""
    rng = np.random.default_rng(3)
    photo = Image.fromarray(rng.integers(0, 256, (9, 7, 3), "uint8")).resize((70, 90))
    grey, glass = photo.convert("L"), photo.convert("RGBA")
    glass.putalpha(grey)
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "image/jpeg": encoded(photo, "JPEG", exif=turned),
        "image/png": encoded(glass, "PNG"),
        "image/webp": encoded(photo, "WEBP"),
        "image/gif": encoded(photo.quantize(16), "GIF"),
        "image/bmp": encoded(grey, "BMP"),
    }


def form(named):
    """The header and the body of a form with files."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="pictures"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in named.items()
    ]
    body = b"".join(parts) + f"--{mark}--\r\n".encode()
    return {"Content-Type": f"multipart/form-data; boundary={mark}"}, body


def send(server, headers, body, options="", what="pictures", status=200, model=NAME):
    found = server.ask("POST", f"/v2/models/{model}/{what}{options}", body, headers)
    assert found[0] == status, found[2]
    return found


def told(*arguments, **options):
    return json.loads(send(*arguments, **options)[2])


def images_of(files, shape=(28, 28, 1)):
    return np.stack([picture(data, shape) for data in files.values()])


def tensor_of(headers, body):
    """The one tensor of a binary answer."""
    length = int(headers[HEADER])
    (described,) = json.loads(body[:length])["outputs"]
    return np.frombuffer(body[length:], "<f4").reshape(described["shape"])


def test_one_picture_of_every_kind(server, bundle, files):
    classifier = FewShotClassifier.load(bundle)
    for kind, data in files.items():
        (found,) = told(server, {"Content-Type": kind}, data)["pictures"]
        (row,), (label,), (score,) = classifier.answers(picture(data, (28, 28, 1))[None])
        assert found["name"] == "picture" and found["label"] == label
        assert found["score"] == pytest.approx(score, abs=1e-6)
        assert list(found["probabilities"]) == classifier.class_names
        np.testing.assert_allclose(list(found["probabilities"].values()), row, atol=1e-6)


def test_several_pictures_in_a_form(server, bundle, files):
    named = {f"{number} ä.x": data for number, data in enumerate(files.values())}
    found = told(server, *form(named))
    expected = FewShotClassifier.load(bundle).answers(images_of(files))
    assert found["model_name"] == NAME and len(found["model_version"]) == 12
    assert [answer["name"] for answer in found["pictures"]] == list(named)
    assert [answer["label"] for answer in found["pictures"]] == expected[1]
    rows = [list(answer["probabilities"].values()) for answer in found["pictures"]]
    np.testing.assert_allclose(rows, expected[0], atol=1e-6)


def test_dark_and_light_can_be_swapped(server, bundle, files):
    data = files["image/jpeg"]
    (found,) = told(server, {"Content-Type": "image/jpeg"}, data, "?invert=true")["pictures"]
    row = FewShotClassifier.load(bundle).predict(1 - picture(data, (28, 28, 1))[None])[0]
    np.testing.assert_allclose(list(found["probabilities"].values()), row, atol=1e-6)


def test_pictures_are_prepared_to_the_pixel(server, files):
    for options, change in (("", lambda x: x), ("?invert=true", lambda x: 1 - x)):
        _, headers, body = send(server, *form(files), options, "prepare")
        expected = change(images_of(files))
        assert tensor_of(headers, body).tobytes() == expected.astype("<f4").tobytes()


def test_what_is_refused(server, files):
    jpeg, kind = files["image/jpeg"], {"Content-Type": "image/jpeg"}
    large = encoded(Image.new("L", (1000, 501)), "PNG")
    for headers, body, status, text in (
        (kind, b"abc", 400, "Cannot read the image picture: it is no PNG, JPEG, GIF"),
        (kind, jpeg[: len(jpeg) // 2], 400, "Cannot read the image picture"),
        (kind, b"", 400, "Cannot read the image picture"),
        (kind, large, 400, "1000 x 501 pixels, more than"),
        (kind, bytes(3 << 20), 413, "at most 2097152 bytes"),
        ({"Content-Type": "application/json"}, jpeg, 415, "or multipart/form-data by its"),
        ({"Content-Type": "text/plain"}, jpeg, 415, "Received: text/plain"),
        ({**kind, "Origin": "http://elsewhere.example"}, jpeg, 403, "Pages of other hosts"),
        (*form({"good.jpg": jpeg, "bad.jpg": b"abc"}), 400, "the image bad.jpg"),
        (*form({str(number): jpeg for number in range(11)}), 400, "Maximum number of files is 10"),
        (*form({}), 400, "must hold pictures as files. Received: none"),
        ({"Content-Type": "multipart/form-data"}, b"abc", 400, "The form cannot be read"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"abc", 400, "The form cannot"),
    ):
        for what in ("pictures", "prepare"):
            error = told(server, headers, body, what=what, status=status)["error"]
            assert text in error and "\n" not in error, error
    assert "true or false" in told(server, kind, jpeg, "?invert=yes", status=400)["error"]
    for model in (f"{NAME}.embed", f"{NAME}.adapt"):
        assert "classifies pictures" in told(server, kind, jpeg, model=model, status=400)["error"]
    assert told(server, kind, jpeg, model="none", status=404)
    assert server.metric(f'kmeta_requests_total{{model="{NAME}",status="413"}}') == 2


class Vectors:
    image_shape = (4,)


def test_bundles_of_vectors_take_no_pictures():
    assert pictures.most(Vectors, None) == 0


def test_what_the_page_is_told(server, bundle):
    limits = server.get("/v2")["parameters"]
    assert limits == {
        "max_request_bytes": 2 << 20,
        "max_picture_pixels": 500_000,
        "allow_export": True,
    }
    found = server.get(f"/v2/models/{NAME}")["parameters"]
    assert found["most_pictures"] == 10 and found["can_grow"] is True
    assert found["light_background"] is FewShotClassifier.load(bundle).light_background


def known_by(server, name):
    """The state of a served bundle."""
    status, headers, body = server.ask("GET", f"/v2/models/{name}/state")
    assert status == 200, body
    at, found = int(headers[HEADER]), {}
    for tensor in json.loads(body[:at])["outputs"]:
        end = at + tensor["parameters"]["binary_data_size"]
        dtype = {"INT64": "<i8", "FP32": "<f4"}[tensor["datatype"]]
        found[tensor["name"]] = np.frombuffer(body[at:end], dtype).reshape(tensor["shape"])
        at = end
    return found


def grown_state(server, support, name):
    """Names and state of a bundle and of one more class, as a client makes them."""
    images = support[0]["dog"]
    given = {"support_images": images, "support_labels": np.zeros(len(images), "int64")}
    added = server.infer(f"{name}.adapt", given)[0]
    known = known_by(server, name)
    if "labels" in added:
        added["labels"] = added["labels"] + 3
    return {key: np.concatenate([rows, added[key]]) for key, rows in known.items()}


@pytest.mark.parametrize("name", others_slow([NAME, "full context"], [NAME]))
def test_a_bundle_of_other_classes(exported, support, tmp_path, name):
    path = exported(name)[1]
    names = ["ant", "an <i>insect</i>", "cat", "dog"]
    with Server(path, "--allow-export") as server:
        known = grown_state(server, support, path.name)
        headers, body = binary_request(known, parameters={"class_names": names})
        where = f"/v2/models/{path.name}/bundle"
        status, answered, archive = server.ask("POST", where, body, headers)
        assert status == 200 and answered["Content-Type"] == "application/zip", archive
        for wrong, text in (
            ({"class_names": names[:3]}, "must be of 3 classes"),
            ({"class_names": ["ant"] * 4}, "two different names"),
            ({"class_names": [*names[:3], "unknown"]}, "other than 'unknown'"),
            ({"class_names": [*names[:3], "a\nb"]}, "without control characters"),
            ({"class_names": "four"}, "must be a list of texts"),
            ({}, "must be a list of texts"),
        ):
            headers, body = binary_request(known, parameters=wrong)
            status, _, content = server.ask("POST", where, body, headers)
            assert status == 400 and text in json.loads(content)["error"]
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        file.extractall(tmp_path)
    grown = FewShotClassifier.load(tmp_path / path.name)
    grown.check_sample()
    assert grown.class_names == names
    expected = FewShotClassifier.load(path)
    expected.add_class("dog", support[0]["dog"])
    np.testing.assert_allclose(grown.predict(support[1]), expected.predict(support[1]), atol=1e-5)


def test_bundles_are_given_only_where_that_is_allowed(bundle, support):
    with Server(bundle) as server:
        headers, body = binary_request(grown_state(server, support, NAME))
        status, _, content = server.ask("POST", f"/v2/models/{NAME}/bundle", body, headers)
        assert status == 403 and "--allow-export" in json.loads(content)["error"]


def test_the_page_and_what_a_browser_may_do_with_it(server):
    status, headers, body = server.ask("GET", "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert b"<script>" not in body and b"style=" not in body and b"onclick" not in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and headers["X-Content-Type-Options"] == "nosniff"
    for name, kind in {"main.js": "text/javascript", "style.css": "text/css"}.items():
        status, headers, body = server.ask("GET", f"/{name}")
        assert status == 200 and headers["Content-Type"].startswith(kind)
        assert b"http://" not in body and b"https://" not in body
    for path in ("/page.py", "/../page.py", "/%2e%2e/page.py", "/index.html"):
        assert server.ask("GET", path)[0] == 404
    assert server.ask("GET", "/", headers={"Host": "elsewhere.example"})[0] == 400
    from kmeta_server import page

    assert sum(path.stat().st_size for path in page.FOLDER.iterdir()) < 100_000


def test_the_description_for_programs(server, files):
    document = server.get("/openapi.json")
    validate(document)
    from kmeta_server import app, page, settings

    routes = {route.path for route in app.make_app(None, settings.Settings(), None).routes}
    assert set(document["paths"]) == routes - {route.path for route in page.routes()}
    schemas = {"components": document["components"]}
    answers = {
        "Answers": told(server, *form(files)),
        "Model": server.get(f"/v2/models/{NAME}"),
        "Outputs": server.infer(NAME, {"images": images_of(files)})[1],
        "Error": server.get("/v2/models/none", 404),
    }
    for schema, answer in answers.items():
        jsonschema.validate(answer, {**schemas, "$ref": f"#/components/schemas/{schema}"})
