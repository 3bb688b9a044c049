"""A bundle is at its place whole, or not at all; what was there before stays until then."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from kmeta.exporting import place


def contents(path):
    return {p.name: p.read_text() for p in path.iterdir()}


@pytest.fixture(params=["exchange", "two steps"])
def steps(request, monkeypatch):
    """Both ways of replacing a folder: Linux's one step, and the one for other systems."""
    if request.param == "two steps":
        monkeypatch.setattr(place, "_exchange", lambda one, other: False)
    elif sys.platform != "linux":
        pytest.skip("only Linux exchanges folders in one step")
    return request.param


OLD = json.dumps({"format": "kmeta.bundle", "files": {"listed": {}, "deep/listed": {}}})


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "manifest.json").write_text(OLD)
    return path


def test_appears_at_the_end(tmp_path):
    path = tmp_path / "a" / "bundle"
    with place.building(path) as folder:
        assert folder.parent == path.parent
        (folder / "file").write_text("new")
        assert not path.exists()
    assert contents(path) == {"file": "new"}
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode == path.parent.stat().st_mode  # readable by a server, as any folder


def test_replaces_an_empty_folder(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    with place.building(place.check(path, overwrite=False)) as folder:
        (folder / "file").write_text("new")
    assert contents(path) == {"file": "new"}


def test_replaces_a_bundle_at_the_end(old, steps):
    with place.building(place.check(old, overwrite=True)) as folder:
        (folder / "file").write_text("new")
        assert contents(old) == {"manifest.json": OLD}
    assert contents(old) == {"file": "new"}
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(old, error):
    with pytest.raises(error), place.building(old) as folder:
        (folder / "file").write_text("new")
        raise error
    assert contents(old) == {"manifest.json": OLD}
    assert list(old.parent.iterdir()) == [old]


def test_a_failing_second_step_is_undone(old, monkeypatch):
    monkeypatch.setattr(place, "_exchange", lambda one, other: False)
    rename = os.rename

    def fail(source, target):
        if ".tmp" in str(source) and target == old:
            raise OSError("disk on fire")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="disk on fire"), place.building(old) as folder:
        (folder / "file").write_text("new")
    assert contents(old) == {"manifest.json": OLD}
    assert list(old.parent.iterdir()) == [old]


KILLED = """
import os, signal, sys
from kmeta.exporting import place
def kill(*args): os.kill(os.getpid(), signal.SIGKILL)
path, where = sys.argv[1:]
rename = os.rename
if where == "between":
    place._exchange = lambda one, other: False
    os.rename = lambda a, b: kill() if ".tmp" in str(a) else rename(a, b)
with place.building(place.check(path, True)) as folder:
    (folder / "file").write_text("new")
    if where == "building": kill()
"""


@pytest.mark.parametrize("where", ["building", "between"])
def test_killed(old, where):
    root = pathlib.Path(place.__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(old), where]
    process = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert process.returncode == -signal.SIGKILL
    assert old.exists() == (where == "building")
    place.check(old, overwrite=True)  # the next export begins so, and puts back what was moved
    assert contents(old) == {"manifest.json": OLD}

    (abandoned,) = old.parent.glob(".bundle.*.tmp")
    for age, there in ((60, True), (2 * 24 * 3600, False)):
        os.utime(abandoned, (time.time() - age,) * 2)
        with place.building(old) as folder:
            (folder / "manifest.json").write_text("new")
        assert abandoned.exists() == there
    assert contents(old) == {"manifest.json": "new"}


def test_directories_that_are_refused(old, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("")
    for directory, overwrite, text in [
        (None, False, r"`directory` must be a path. Received: directory=None"),
        ("", False, r"`directory` must be a path. Received: directory=''"),
        (file, False, r"must be a folder, new or empty. Received: '.*file', a file"),
        (old, False, r"pass `overwrite=True` to replace .* Received: '.*bundle', which exists and"),
        (
            other,
            True,
            r"must be a bundle .* Received: '.*other', which holds no manifest.json of a",
        ),
    ]:
        with pytest.raises(ValueError, match=text):
            place.check(directory, overwrite)
    with pytest.raises(ValueError, match=r"can be written to. Received: directory='.*' \(.+\)"):
        with place.building(file / "below" / "bundle"):
            pass
    assert contents(old) == {"manifest.json": OLD}


@pytest.mark.parametrize(
    "manifest", ["", "[]", "null", '{"files": {}}', '{"format": "kmeta.bundle"}', "[" * 100000]
)
def test_the_manifest_of_something_else_is_no_bundle(old, manifest):
    """A browser extension has a manifest.json too."""
    (old / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match="which holds no manifest.json of a bundle"):
        place.check(old, overwrite=True)


@pytest.mark.parametrize("name", ["notes", "deep/notes", "link"])
def test_files_that_are_not_of_the_bundle_are_not_deleted(old, name):
    (old / "deep").mkdir()
    (old / "deep" / "listed").touch()
    place.check(old, overwrite=True)
    if name == "link":
        (old / name).symlink_to(old.parent)
    else:
        (old / name).touch()
    with pytest.raises(ValueError, match=f"hold nothing else .* which holds also '{name}'"):
        place.check(old, overwrite=True)


def test_a_link_is_followed(old, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(old)
    with place.building(place.check(link, overwrite=True)) as folder:
        (folder / "manifest.json").write_text("new")
    assert link.is_symlink()
    assert contents(old) == {"manifest.json": "new"}
