"""What `save` replaces: a bundle that holds nothing else, in one step wherever it is killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from kmeta_edge import place

OLD = json.dumps({"format": "kmeta.bundle", "files": {"listed": {}}})
KILLED = """
import os, signal, sys
from kmeta_edge import place
def kill(*args): os.kill(os.getpid(), signal.SIGKILL)
path, where = sys.argv[1:]
rename = os.rename
if where == "between":
    place._exchange = lambda one, other: False
if where != "building":  # the second of two steps; there is none where the system exchanges
    os.rename = lambda a, b: kill() if ".tmp" in str(a) else rename(a, b)
with place.building(path, True) as folder:
    (folder / "file").write_text("new")
    if where == "building": kill()
"""


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "manifest.json").write_text(OLD)
    return path


def contents(path):
    return {p.name: p.read_text() for p in path.iterdir()}


@pytest.mark.parametrize("exchanges", [True, False])
def test_replaces_a_bundle_at_the_end(old, exchanges, monkeypatch):
    if not exchanges:
        monkeypatch.setattr(place, "_exchange", lambda one, other: False)
    elif sys.platform != "linux":
        pytest.skip("only Linux exchanges folders in one step")
    with place.building(old, overwrite=True) as folder:
        (folder / "file").write_text("new")
        assert contents(old) == {"manifest.json": OLD}
    assert contents(old) == {"file": "new"}
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("where", ["building", "between", "nowhere"])
def test_killed(old, where):
    root = pathlib.Path(place.__file__).parents[1]
    command = [sys.executable, "-c", KILLED, str(old), where]
    process = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    if where == "nowhere" and sys.platform == "linux":
        assert process.returncode == 0
        assert contents(old) == {"file": "new"}
        return
    assert process.returncode == -signal.SIGKILL
    assert old.exists() == (where == "building")
    with pytest.raises(ValueError, match="is not empty"), place.building(old, overwrite=False):
        pass  # what was moved is put back first
    assert contents(old) == {"manifest.json": OLD}

    (abandoned,) = old.parent.glob(".bundle.*.tmp")
    for age, there in ((60, True), (2 * 24 * 3600, False)):
        os.utime(abandoned, (time.time() - age,) * 2)
        with place.building(old, overwrite=True) as folder:
            (folder / "manifest.json").write_text(OLD)
        assert abandoned.exists() == there


@pytest.mark.parametrize("manifest", ["", "[]", '{"files": {}}', '{"format": "kmeta.bundle"}'])
def test_the_manifest_of_something_else_is_no_bundle(old, manifest):
    (old / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match="is no bundle and will not"), place.building(old, True):
        pass
    assert contents(old) == {"manifest.json": manifest}


def test_files_that_are_not_of_the_bundle_are_not_deleted(old):
    (old / "listed").touch()
    (old / "notes").touch()
    with pytest.raises(ValueError, match="holds 'notes', which is not of its bundle, and will"):
        with place.building(old, overwrite=True):
            pass
    assert set(contents(old)) == {"manifest.json", "listed", "notes"}
