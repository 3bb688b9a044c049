"""The page in a real browser: what a person does there, and what Python says of the same."""

import base64
import contextlib
import csv
import io
import re
import zipfile

import keras
import numpy as np
import pytest
from kmeta_edge import FewShotClassifier
from kmeta_edge.nearest import nearest
from kmeta_edge.pixels import fitted
from kmeta_edge.thumbnails import Thumbnails
from PIL import Image
from quick_cases import others_slow

import kmeta
from kmeta.cli import folders
from kmeta.cli.main import main
from kmeta.data.pictures import picture
from kmeta.few_shot.thumbnails import small

from . import browser as browsers
from .conftest import adapt
from .server_process import Server

pytest.importorskip("kmeta_server.page", reason='needs the extra "test"')
expect = pytest.importorskip("playwright.sync_api", reason='needs the extra "test"').expect
expect.set_options(timeout=30_000)  # milliseconds: of a machine that has other work to do

SHAPE = (28, 28, 1)
CLASSES, ANSWERS = "#classes > li", "#answers > li"
MARKUP = '<img src="x" onerror="document.title=1">'
LIMITS = ("--max-request-mb", 2, "--max-picture-pixels", 400_000, "--allow-export")


@pytest.fixture(scope="module")
def chromium():
    with browsers.launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def bundles(exported, photos, support, tmp_path_factory):
    """By name: of classes as rows, with thumbnails; with a threshold; and of items as rows."""
    folder = tmp_path_factory.mktemp("bundles")
    prototypical, matching = folder / "prototypical", exported("matching")[1]
    shown = FewShotClassifier.load(exported("prototypical")[1])
    images = np.concatenate([support[0][name] for name in shown.class_names])
    owner = np.repeat(np.arange(3), [len(support[0][name]) for name in shown.class_names])
    copies = [small(Image.fromarray((255 * image[..., 0]).astype("uint8"))) for image in images]
    features = shown.run("embed", {"images": images})["embeddings"]
    shown.pictures = [f"<i>{number}</i>.png" for number in range(len(images))]
    shown.thumbnails = Thumbnails(np.arange(len(images)), copies, features, owner)
    shown.save(prototypical)
    strict = FewShotClassifier.load(exported("prototypical")[1])
    images = np.stack([picture(path, SHAPE) for path in photos.iterdir()])
    strict.threshold = float(np.median(strict.label(images)[1]))
    strict.save(folder / "strict")
    return {"prototypical": prototypical, "strict": folder / "strict", "matching": matching}


@pytest.fixture(scope="module")
def server(chromium, bundles):
    del chromium  # without which no server is needed
    with Server(*bundles.values(), *LIMITS) as server:
        yield server


@contextlib.contextmanager
def visited(chromium, address, script="", **options):
    """A page of a new visitor, which has no error when it is left."""
    context = chromium.new_context(**options)
    context.add_init_script(script)
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: "Content Security" in m.text and faults.append(m.text))
    page.goto(address)
    expect(page.locator(CLASSES)).to_have_count(3)
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def page(chromium, server):
    with visited(chromium, f"http://{server.address}/") as page:
        choose(page, "prototypical")
        yield page


@pytest.fixture(scope="module")
def photos(support, tmp_path_factory):
    """A folder of 50 pictures of four classes, PNG, WebP and JPEG of several sizes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(5)
    patterns = [images[0, ..., 0] for images in support[0].values()]
    for number in range(50):
        noisy = 0.8 * patterns[number % 4] + 0.2 * rng.random((28, 28))
        image = Image.fromarray((255 * noisy).astype("uint8"))
        size = ((28, 28), (90, 61), (200, 300))[number % 3]
        kind = ("png", "webp", "jpg")[number // 3 % 3]
        image = image if number % 2 else Image.merge("RGB", [image, image.rotate(90), image])
        image.resize(size).save(folder / f"{number:02}.{kind}")
    return folder


def choose(page, name):
    page.select_option("#bundle", name)
    expect(page).to_have_url(re.compile(f"#{name}$"))
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def tell(page, files, count=None):
    page.check("[value=tell]")
    page.set_input_files("#files", files)
    count = len(files) if count is None else count
    expect(page.locator(ANSWERS)).to_have_count(count)


def teach(page, name, images, folder):
    """Teach a class from arrays, as the files that they are saved to."""
    paths = []
    for number, image in enumerate(images):
        paths.append(folder / f"{len(list(folder.iterdir()))}-{number}.png")
        Image.fromarray((255 * image[..., 0]).round().astype("uint8")).save(paths[-1])
    page.fill("#class-name", name)
    expect(page.locator("[value=teach]")).to_be_checked()
    page.set_input_files("#files", paths)
    expect(page.locator("#status")).to_have_text(f"{name}: {len(paths)} more.")
    return np.stack([picture(path, SHAPE) for path in paths])


def csv_of(page, tmp_path):
    """`{file: row}` of the answers, and the header."""
    with page.expect_download() as download:
        page.click("#csv")
    download.value.save_as(tmp_path / "answers.csv")
    return rows_of((tmp_path / "answers.csv").read_text("utf-8"))


def rows_of(text):
    header, *rows = csv.reader(io.StringIO(text))
    return {row[0]: row[1:] for row in rows}, header


def assert_alike(found, expected):
    """Rows of two CSVs: the same labels, and numbers that round alike."""
    assert set(found) == set(expected)
    for file, row in expected.items():
        assert found[file][0] == row[0], file
        numbers = [np.array(x[1:], float) for x in (found[file], row)]
        np.testing.assert_allclose(*numbers, atol=1.1e-4)


def predicted(classifier, folder):
    out = io.StringIO()
    folders.write_csv(classifier, folder, False, out)
    return rows_of(out.getvalue())


def probabilities(page, tmp_path):
    """Of the answers by their files, in the order of the classes of the page."""
    rows, header = csv_of(page, tmp_path)
    return {file: np.array(row[2:], float) for file, row in rows.items()}, header[3:]


def test_fifty_pictures_are_told_as_by_predict(page, bundles, photos, tmp_path, capsys):
    tell(page, sorted(photos.iterdir()))
    assert main(["predict", str(bundles["prototypical"]), str(photos)]) == 0
    expected, header = rows_of(capsys.readouterr().out)
    found, own_header = csv_of(page, tmp_path)
    assert len(found) == 50 and own_header == header
    assert len({row[0] for row in found.values()}) == 3
    assert_alike(found, expected)


def test_a_picture_that_is_dropped_or_pasted(page, bundles, photos):
    file = photos / "02.png"
    row, label, score = (
        x[0]
        for x in FewShotClassifier.load(bundles["prototypical"]).answers(picture(file, SHAPE)[None])
    )
    for number, (kind, key) in enumerate(
        {"drop": "dataTransfer", "paste": "clipboardData"}.items(), 1
    ):
        page.evaluate(
            """([text, kind, key]) => {
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], "a.png", { type: "image/png" }));
                const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
                document.body.dispatchEvent(new Kind(kind, { [key]: data, bubbles: true }));
            }""",
            [base64.b64encode(file.read_bytes()).decode(), kind, key],
        )
        expect(page.locator(ANSWERS)).to_have_count(number)
    card = page.locator(ANSWERS).first
    assert card.locator(".label").inner_text() == label
    assert f"a.png, score {100 * score:.1f} %" in card.inner_text()
    assert f"{100 * row.max():.1f} %" in card.locator(".scores").inner_text()
    expect(page.locator("#status")).to_have_text(f"a.png: {label}")


def shown_nearest(page):
    """Of each answer the names and cosines of the pictures that are shown as most like it."""
    cards = page.locator(ANSWERS)
    expect(cards.last.locator(".near li")).to_have_count(3)
    return [
        [
            (item.locator("img").get_attribute("alt"), item.inner_text().split("\n"))
            for item in card.locator(".near li").all()
        ]
        for card in cards.all()
    ]


def assert_nearest(page, bundle, files, taught=None):
    """What the page shows as most like files is what Python finds."""
    classifier = FewShotClassifier.load(bundle)
    features, labels, names = classifier.single_pictures()
    owners = [classifier.class_names[label] for label in labels]
    for name, images in (taught or {}).items():
        more = classifier.run("embed", {"images": images})["embeddings"]
        features = np.concatenate([features, more])
        owners += [name] * len(images)
        names = [*names, *["taught"] * len(images)]
    images = np.stack([picture(file, SHAPE) for file in files])
    queries = classifier.run("embed", {"images": images})["embeddings"]
    which, cosines = nearest(features, queries, 3)
    for found, row, likeness in zip(shown_nearest(page), which, cosines, strict=True):
        assert [owner for _, (owner, _) in found] == [owners[i] for i in row]
        numbers = [float(number) for _, (_, number) in found]
        np.testing.assert_allclose(numbers, likeness, atol=0.0051)
        for (alt, _), i in zip(found, row, strict=True):
            assert alt == names[i] or (names[i] == "taught" and alt.endswith(".png"))


def test_the_pictures_most_like_each_are_shown(page, bundles, photos, support, tmp_path):
    files = sorted(photos.iterdir())[:4]
    tell(page, files)
    assert_nearest(page, bundles["prototypical"], files)
    assert page.locator(".near i").count() == 0  # names are texts
    loaded = "image => image.complete && image.naturalWidth > 0"
    assert all(image.evaluate(loaded) for image in page.locator(".near img").all())
    taught = teach(page, "dog", support[0]["dog"], tmp_path)  # those taught here are among them
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    assert_nearest(page, bundles["prototypical"], files, {"dog": taught})
    page.get_by_role("button", name="Remove the class dog").click()
    expect(page.locator(CLASSES)).to_have_count(3)
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    assert_nearest(page, bundles["prototypical"], files)
    choose(page, "strict")  # without thumbnails
    tell(page, files)
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".near li")).to_have_count(0)


def test_unknown(page, bundles, photos, tmp_path):
    choose(page, "strict")
    tell(page, sorted(photos.iterdir())[:12])
    classifier = FewShotClassifier.load(bundles["strict"])
    labels = {
        path.name: classifier.label(picture(path, SHAPE)[None])[0][0]
        for path in sorted(photos.iterdir())[:12]
    }
    assert 0 < list(labels.values()).count("unknown") < 12
    assert {file: row[0] for file, row in csv_of(page, tmp_path)[0].items()} == labels
    marked = page.locator(".label.unknown")
    expect(marked).to_have_count(list(labels.values()).count("unknown"))


def test_dark_and_light(page, bundles, photos, tmp_path):
    page.check("#invert")
    tell(page, [photos / "00.png"])
    row = FewShotClassifier.load(bundles["prototypical"]).predict(
        1 - picture(photos / "00.png", SHAPE)[None]
    )[0]
    np.testing.assert_allclose(probabilities(page, tmp_path)[0]["00.png"], row, atol=1e-4)


def drawn(page):
    """What stands in the field, a PNG file."""
    text = page.evaluate("document.querySelector('#canvas').toDataURL()")
    return base64.b64decode(text.partition(",")[2])


def test_drawing(page, bundles, tmp_path):
    page.click("#drawing-open")
    canvas = page.locator("#canvas")
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 100, steps=4)
    page.mouse.move(box["x"] + 90, box["y"] + 220, steps=4)
    page.mouse.up()
    data = drawn(page)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    is_light = FewShotClassifier.load(bundles["prototypical"]).light_background
    assert (pixels == (255 if is_light else 0)).mean() > 0.5 and np.ptp(pixels) == 255
    page.click("#drawing-use")
    expect(page.locator(ANSWERS)).to_have_count(1)
    row = FewShotClassifier.load(bundles["prototypical"]).predict(picture(data, SHAPE)[None])[0]
    np.testing.assert_allclose(probabilities(page, tmp_path)[0]["drawing 1.png"], row, atol=1e-4)


def test_drawing_by_keys(page, bundles, tmp_path):
    """Without a pointer: a line to the right from the middle, the pen lifted, one further down."""
    page.locator("#drawing-open").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#canvas")).to_be_visible()
    page.keyboard.press("Tab")
    while not page.evaluate("document.activeElement.id === 'canvas'"):
        page.keyboard.press("Tab")
    expect(page.locator("#pen")).to_be_visible()
    steps = ("Space", "Shift+ArrowRight", "ArrowRight", "Space", *["ArrowDown"] * 4, "Space")
    for key in steps:
        page.keyboard.press(key)
    expect(page.locator("#status")).to_have_text("Pen down: arrow keys draw.")
    page.keyboard.press("Shift+ArrowLeft")
    pixels = np.asarray(Image.open(io.BytesIO(drawn(page))).convert("L"))
    is_light = FewShotClassifier.load(bundles["prototypical"]).light_background
    inked = pixels < 128 if is_light else pixels > 128
    assert inked[140, 140:190].all() and not inked[160, 140:210].any()  # 50 pixels are five steps
    assert inked[180, 150:190].all() and not inked[:, :125].any()
    expected = FewShotClassifier.load(bundles["prototypical"]).predict(
        picture(drawn(page), SHAPE)[None]
    )[0]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # "Use the drawing"
    expect(page.locator(ANSWERS)).to_have_count(1)
    found = probabilities(page, tmp_path)[0]["drawing 1.png"]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_webcam(page):
    page.click("#camera-open")
    expect(page.locator("#video")).to_be_visible()
    page.click("#camera-take")
    expect(page.locator(ANSWERS)).to_have_count(1)
    expect(page.locator("#status")).to_contain_text("webcam 1.png: ")


@pytest.mark.parametrize("name", others_slow(["prototypical", "matching"], ["prototypical"]))
def test_two_taught_classes_are_those_of_adapt(
    page, exported, bundles, support, photos, tmp_path, name
):
    choose(page, name)
    images, rng = dict(support[0]), np.random.default_rng(8)
    more = {"dog": images["dog"], MARKUP: rng.random((3, *SHAPE)).astype("float32")}
    folder = tmp_path / "taught"
    folder.mkdir()
    files = sorted(photos.iterdir())[:9]
    tell(page, files)
    taught = {label: teach(page, label, array, folder) for label, array in more.items()}
    expect(page.locator("#left-out")).to_contain_text("of 5.")
    if name == "matching":  # keeps each picture: the bundle's classes take more
        taught["ant"] = teach(page, "ant", images["bee"], folder)
        images["ant"] = np.concatenate([images["ant"], taught["ant"]])
    names = ["ant", "bee", "cat", *more]
    learner = exported(name)[0]
    expected = adapt(learner, {**images, **{n: taught[n] for n in more}}, names)
    rows = expected.predict(np.stack([picture(file, SHAPE) for file in files]), verbose=0)
    found, header = probabilities(page, tmp_path)
    assert header == names
    for file, row in zip(files, rows, strict=True):
        np.testing.assert_allclose(found[file.name], row, atol=1e-4)
    assert page.title() == "kmeta" and page.locator("main img[src='x']").count() == 0
    expect(page.locator("#kept")).to_contain_text("kept in this browser")

    page.reload()  # what was taught is still there, and said
    expect(page.locator("#kept")).to_contain_text("Restored from your last visit: 5 classes")
    tell(page, files)
    again, header = probabilities(page, tmp_path)
    assert header == names
    for file, row in found.items():
        np.testing.assert_allclose(again[file], row, atol=1e-6)

    with page.expect_download() as download:  # the same as a bundle
        page.click("#download")
    download.value.save_as(tmp_path / "grown.zip")
    with zipfile.ZipFile(tmp_path / "grown.zip") as archive:
        archive.extractall(tmp_path / "grown")
    grown = FewShotClassifier.load(tmp_path / "grown" / name)
    assert grown.class_names == names
    np.testing.assert_allclose(
        grown.predict(np.stack([picture(f, SHAPE) for f in files])), rows, atol=1e-4
    )


def test_classes_are_removed_renamed_and_come_back(page, bundles, photos, support, tmp_path):
    files = sorted(photos.iterdir())[:6]
    tell(page, files)
    (tmp_path / "taught").mkdir()
    taught = teach(page, "dog", support[0]["dog"], tmp_path / "taught")
    page.get_by_role("button", name="Remove the class bee").click()
    expect(page.locator(CLASSES)).to_have_count(3)
    field = page.get_by_label("Name of the class cat")
    field.fill("tiger")
    field.press("Enter")
    expect(page.get_by_label("Name of the class tiger")).to_be_visible()
    page.get_by_role("button", name="Remove picture 2 of dog").click()
    expect(page.locator(CLASSES).first).to_contain_text("taught here, 1 picture")
    classifier = FewShotClassifier.load(bundles["prototypical"])
    classifier.add_class("dog", taught[:1])
    classifier.remove_class("bee")
    found, header = probabilities(page, tmp_path)
    assert header == ["ant", "tiger", "dog"]
    rows = classifier.predict(np.stack([picture(file, SHAPE) for file in files]))
    for file, row in zip(files, rows, strict=True):
        np.testing.assert_allclose(found[file.name], row, atol=1e-4)
    page.get_by_role("button", name="Remove picture 1 of dog").click()  # its last: it goes
    expect(page.locator(CLASSES)).to_have_count(2)
    page.get_by_role("button", name="Remove the class ant").click()
    expect(page.get_by_role("alert")).to_have_text(re.compile("Two classes must remain"))
    field = page.get_by_label("Name of the class ant")
    field.fill("tiger")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(re.compile("There is a class tiger already"))
    page.click("#forget-classes")
    expect(page.locator(CLASSES)).to_have_count(3)
    page.reload()
    expect(page.locator(CLASSES)).to_have_count(3)
    expect(page.locator("#kept")).to_be_empty()


def test_what_goes_wrong_is_said_in_words(page, photos):
    alert = page.get_by_role("alert")
    expect(page.locator("#limits")).to_contain_text("at most 2 MB and 0.4 million pixels")
    wrong = {"name": "no <b>.png", "mimeType": "image/png", "buffer": b"no picture"}
    large = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(3 << 20)}
    tell(page, [wrong], 0)
    expect(alert).to_contain_text("no <b>.png: Cannot read the image")
    tell(page, [large], 0)
    expect(alert).to_have_text("large.png: it has more than 2 MB.")
    tell(page, [wrong, {**wrong, "name": "a.png", "buffer": (photos / "00.png").read_bytes()}], 1)
    expect(alert).to_contain_text("no <b>.png")
    page.check("[value=teach]")
    page.set_input_files("#files", [photos / "00.png"])
    expect(alert).to_have_text("Give the class a name first.")
    for name, text in {"unknown": "No class can be called unknown.", "ant": "one summary"}.items():
        page.fill("#class-name", name)
        page.set_input_files("#files", [photos / "00.png"])
        expect(alert).to_contain_text(text)
    tell(page, [photos / "00.png"], 2)
    expect(alert).to_be_hidden()


def test_a_browser_that_keeps_nothing(chromium, server, photos):
    script = "Object.defineProperty(window, 'indexedDB', { value: { open() { throw Error(); } } })"
    with visited(chromium, f"http://{server.address}/", script=script) as page:
        page.fill("#class-name", "dog")
        page.set_input_files("#files", [photos / "03.webp"])
        expect(page.locator(CLASSES)).to_have_count(4)
        expect(page.locator("#kept")).to_contain_text("a reload forgets the changes")


def test_a_server_that_has_gone(chromium, bundles, photos):
    with Server(bundles["prototypical"]) as server:
        with visited(chromium, f"http://{server.address}/") as page:
            expect(page.locator("#download")).to_be_hidden()  # it was not allowed
            server.process.terminate()
            server.process.wait()
            tell(page, [photos / "00.png"], 0)
            expect(page.get_by_role("alert")).to_contain_text("The server does not answer.")


@pytest.mark.parametrize("scheme", others_slow(["light", "dark"], ["light"]))
def test_no_serious_fault_of_accessibility(chromium, server, photos, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    address, size = f"http://{server.address}/", {"width": 360, "height": 740}
    with visited(chromium, address, color_scheme=scheme, viewport=size) as page:
        choose(page, "prototypical")
        tell(page, sorted(photos.iterdir())[:2])
        shown_nearest(page)
        page.fill("#class-name", "dog")
        page.set_input_files("#files", [photos / "03.webp"])
        expect(page.locator(CLASSES)).to_have_count(4)
        page.click("#drawing-open")
        page.click("#camera-open")
        expect(page.locator("#video")).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"]  # a phone needs no scrolling aside
        for width in (size["width"], 1280):
            page.set_viewport_size({"width": width, "height": 740})
            found = axe.run(page).response["violations"]
            assert [x["id"] for x in found if x["impact"] in ("serious", "critical")] == [], found


def test_by_keyboard_alone(page, photos):
    page.locator("[value=tell]").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[value=teach]")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("dog")
    page.keyboard.press("Tab")
    expect(page.locator("#files")).to_be_focused()
    page.set_input_files("#files", [photos / "03.webp"])  # the browser's own part
    expect(page.locator(CLASSES)).to_have_count(4)
    remove = page.get_by_role("button", name="Remove the class dog")
    remove.focus()
    page.keyboard.press("Enter")
    expect(page.locator(CLASSES)).to_have_count(3)
    expect(page.locator("#classes :focus")).to_have_count(1)  # the focus stays in the list


@pytest.mark.parametrize("crop", [None, 0.875])
@pytest.mark.parametrize("shape", [(28, 28, 1), (24, 30, 3)])
def test_pixels_are_prepared_in_the_browser_as_in_python(page, shape, crop):
    rng = np.random.default_rng(1)
    for height, width in (shape[:2], (61, 90), (9, 200), (28, 40), (5, 3)):
        pixels = rng.integers(0, 256, (height, width, 4), "uint8")
        found = page.evaluate(
            """async ([width, height, data, shape, crop]) => {
                const { fitted } = await import("/lanczos.js");
                const picture = { width, height, data: Uint8Array.from(data) };
                return Array.from(fitted(picture, shape, crop));
            }""",
            [width, height, pixels.ravel().tolist(), list(shape), crop],
        )
        expected = fitted(Image.fromarray(pixels[..., :3]), shape, crop)
        np.testing.assert_allclose(np.reshape(found, shape), expected, atol=1e-7)


@pytest.fixture(scope="module")
def static(chromium, tmp_path_factory):
    """Gives the address of a bundle's folder that `kmeta export --web` wrote, below another one."""
    del chromium
    place = tmp_path_factory.mktemp("static")
    runtime = str(browsers.onnxruntime_web(place))
    with browsers.hosted(place) as address:

        def written(bundle):
            command = ["export", str(bundle), "--web", str(place / "below" / bundle.name)]
            assert main([*command, "--runtime", runtime]) == 0
            return f"{address}/below/{bundle.name}/"

        yield written


def test_a_static_page_tells_and_learns_without_a_server(
    chromium, static, bundles, photos, support, tmp_path
):
    classifier = FewShotClassifier.load(bundles["prototypical"])
    with visited(chromium, static(bundles["prototypical"])) as page:
        tell(page, sorted(photos.iterdir()))
        found, expected = csv_of(page, tmp_path)[0], predicted(classifier, photos)[0]
        assert len(found) == 50
        assert_alike(found, expected)
        assert_nearest(page, bundles["prototypical"], sorted(photos.iterdir()))
        (tmp_path / "taught").mkdir()
        classifier.add_class("dog", teach(page, "dog", support[0]["dog"], tmp_path / "taught"))
        page.reload()
        expect(page.locator("#kept")).to_contain_text("Restored from your last visit: 4 classes")
        tell(page, sorted(photos.iterdir())[:9])
        found, header = probabilities(page, tmp_path)
        assert header == classifier.class_names
        for file, row in found.items():
            expected = classifier.predict(picture(photos / file, SHAPE)[None])[0]
            np.testing.assert_allclose(row, expected, atol=1.1e-4)
        wrong = {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
        tell(page, [wrong], 9)
        expect(page.get_by_role("alert")).to_have_text(
            "no.png: this browser cannot read it as a picture."
        )
        expect(page.locator("#download")).to_be_hidden()


@pytest.mark.slow
def test_a_static_page_looks_at_taught_pictures_in_several_views(
    chromium, static, photos, support, tmp_path
):
    keras.utils.set_random_seed(1)
    learner, images = kmeta.R2D2(kmeta.layers.Conv4(4), views=3), dict(support[0])
    learner.build(SHAPE)
    kmeta.export(adapt(learner, images, ["ant", "bee", "cat"]), tmp_path / "ridge")
    files = sorted(photos.iterdir())[:9]
    (tmp_path / "taught").mkdir()
    with visited(chromium, static(tmp_path / "ridge")) as page:
        images["dog"] = teach(page, "dog", images["dog"], tmp_path / "taught")
        more = teach(page, "ant", images["bee"], tmp_path / "taught")
        tell(page, files)
        found, names = probabilities(page, tmp_path)
    images["ant"] = np.concatenate([images["ant"], more])
    expected = adapt(learner, images, names)
    rows = expected.predict(np.stack([picture(file, SHAPE) for file in files]), verbose=0)
    for file, row in zip(files, rows, strict=True):
        np.testing.assert_allclose(found[file.name], row, atol=1e-4)
