"""`kmeta export --web`: the folder for static hosts, and what is refused."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from kmeta_edge import FewShotClassifier

from kmeta.cli.main import main
from kmeta.exporting import load_bundle

static = pytest.importorskip("kmeta_server.static", reason='needs the extra "test"')

FILES = {"ort.wasm.bundle.min.mjs": b"script", "ort-wasm-simd-threaded.wasm": b"program"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def package(folder):
    """A folder in the place of the npm package."""
    (folder / "dist").mkdir(parents=True)
    for name, content in FILES.items():
        (folder / "dist" / name).write_bytes(content)
    return folder


def packed(path):
    """A file in the place of what `npm pack` fetches."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def export(*arguments, code=0):
    assert main(["export", *map(str, arguments)]) == code


def test_what_the_folder_holds(bundle, here, capsys):
    package(here / "ort")
    export(bundle, "--web", "page", "--runtime", "ort")
    page = here / "page"
    assert capsys.readouterr().out == f"Page: {page}\n"
    assert (page / "onnxruntime" / "ort.js").read_bytes() == b"script"
    assert (page / "onnxruntime" / "ort-wasm-simd-threaded.wasm").read_bytes() == b"program"
    assert (page / "engine.js").read_bytes() == (static.page.FOLDER / "onnx.js").read_bytes()
    assert not (page / "onnx.js").exists() and (page / "index.html").is_file()
    described = json.loads((page / "bundle.json").read_text())
    assert described["model"]["parameters"]["class_names"] == ["ant", "bee", "cat"]
    assert described["files"] == ["adapt", "classifier", "classify", "resize"]
    (state,) = described["state"]["outputs"]
    known = FewShotClassifier.load(bundle).known()[state["name"]]
    assert state["shape"] == list(known.shape)
    assert (page / "state.bin").read_bytes() == known.tobytes()
    load_bundle(page / "bundle").check_sample()


def test_a_bundle_that_grew_has_no_model_of_its_own(bundle, support, here):
    grown = FewShotClassifier.load(bundle)
    grown.add_class("dog", support[0]["dog"])
    grown.save("grown")
    static.write("grown", "page", package(here / "ort"))
    described = json.loads((here / "page" / "bundle.json").read_text())
    assert described["files"] == ["adapt", "classify", "embed", "resize"]
    assert described["model"]["name"] == "grown"


def test_onnxruntime_web_is_found_in_the_present_folder(bundle, here):
    packed(here / "onnxruntime-web-1.2.3.tgz")
    static.write(bundle, "first")
    package(here / "node_modules" / "onnxruntime-web")
    (here / "onnxruntime-web-1.2.3.tgz").write_bytes(b"")
    static.write(bundle, "second")
    for name in ("first", "second"):
        assert (here / name / "onnxruntime" / "ort.js").read_bytes() == b"script"


def test_what_is_refused(bundle, here, capsys):
    package(here / "ort")
    (here / "used").mkdir()
    (here / "used" / "file").touch()
    (here / "broken.tgz").write_bytes(b"no archive")
    (here / "empty").mkdir()
    damaged = shutil.copytree(bundle, here / "damaged")
    (damaged / "classifier.onnx").write_bytes(b"")
    for arguments, text in (
        ([bundle, "--web", "page"], "`npm pack onnxruntime-web` fetches it"),
        ([bundle, "--web", "page", "--runtime", "none"], "No onnxruntime-web at 'none'"),
        ([bundle, "--web", "page", "--runtime", "broken.tgz"], "No onnxruntime-web at 'broken"),
        ([bundle, "--web", "page", "--runtime", "empty"], "No onnxruntime-web at 'empty'"),
        ([bundle, "--web", "used", "--runtime", "ort"], "which is not empty"),
        ([damaged, "--web", "page", "--runtime", "ort"], "classifier.onnx has changed"),
        (["empty", "--web", "page", "--runtime", "ort"], "has no manifest.json"),
        ([bundle, "other"], "only a page can be written"),
        ([bundle, "other", "--web", "page", "--runtime", "ort"], "only a page can be written"),
        (["a.keras"], "give DIRECTORY, the bundle to write, or --web DIR, or both"),
        (["a.keras", "other", "--runtime", "ort"], "--runtime needs --web DIR"),
        (["a.keras", "--web", "page", "--runtime", "ort"], "a.keras"),
    ):
        export(*arguments, code=2)
        error = capsys.readouterr().err
        assert text in error and error.count("\n") == 1, error
        assert not (here / "page").exists() and not (here / "other").exists()


def test_a_classifier_becomes_a_bundle_and_a_page(exported, support, here, capsys):
    package(here / "ort")
    learner, names = exported("prototypical")[0], ["ant", "bee"]
    images = np.concatenate([support[0][name][:1] for name in names])
    learner.adapt(images, np.arange(2), names).save("two.keras")
    export("two.keras", "bundle", "--web", "page", "--runtime", "ort")
    assert "Bundle " in capsys.readouterr().out
    found = load_bundle("bundle").predict(support[1])
    np.testing.assert_allclose(load_bundle("page/bundle").predict(support[1]), found, atol=1e-6)
