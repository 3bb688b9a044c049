"""A bundle is at its place whole, or not at all; what was there before stays until then."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
from kmeta_edge import place


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
    with place.building(path) as folder:
        (folder / "file").write_text("new")
    assert contents(path) == {"file": "new"}


def test_replaces_a_bundle_at_the_end(old, steps):
    with place.building(old, overwrite=True) as folder:
        (folder / "file").write_text("new")
        assert contents(old) == {"manifest.json": OLD}
    assert contents(old) == {"file": "new"}
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("seen", ["files of both", "none of one"])
def test_a_bundle_that_another_process_replaces_while_it_is_looked_at(old, seen, monkeypatch):
    """The other one is looked at then; before, this was refused, or an error."""
    look, looked = place._looked_at, []

    def late(path):
        looked.append(path)
        if len(looked) > 1:
            return look(path)
        with place.building(path, overwrite=True) as folder:
            (folder / "manifest.json").write_text(OLD)
            (folder / "listed").write_text("new")
        if seen == "none of one":
            raise FileNotFoundError(path / "deep")
        return "also 'deep/listed'"

    monkeypatch.setattr(place, "_looked_at", late)
    assert place.check(old, overwrite=True) == old
    assert contents(old) == {"manifest.json": OLD, "listed": "new"}
    (old / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="also 'thesis.tex'"):
        place.check(old, overwrite=True)


def test_a_bundle_that_another_process_removes_while_it_is_looked_at(old, monkeypatch):
    def late(path):
        shutil.rmtree(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr(place, "_looked_at", late)
    with pytest.raises(ValueError, match="holds no manifest.json of a bundle"):
        place.check(old, overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("comes", ["folder", "file", "link"])
def test_what_comes_into_being_meanwhile_is_not_removed(tmp_path, comes, overwrite, steps):
    path, other = tmp_path / "bundle", tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="`directory` must be a "):
        with place.building(path, overwrite) as folder:
            (folder / "file").write_text("new")
            if comes == "folder":
                os.rename(other, path)
            elif comes == "file":
                os.rename(other / "thesis.tex", path)
            else:
                path.symlink_to(other)
    found = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p.read_text() for p in found] == ["years of work"]
    assert not list(tmp_path.glob(".*"))


def test_of_two_that_write_to_a_new_place_one_fails(tmp_path, steps):
    path = tmp_path / "bundle"
    with pytest.raises(ValueError, match="pass `overwrite=True`"):
        with place.building(path) as slow:
            (slow / "file").write_text("slow")
            with place.building(path) as quick:
                (quick / "file").write_text("quick")
    assert contents(path) == {"file": "quick"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_bundle_that_gets_another_file_during_its_replacement_stays(old, steps, monkeypatch):
    """After the last look at it and before it is moved away."""
    check = place.check

    def late(directory, overwrite):
        found = check(directory, overwrite)
        if list(old.parent.glob(".*.tmp")):
            (old / "thesis.tex").write_text("years of work")
        return found

    monkeypatch.setattr(place, "check", late)
    with pytest.raises(ValueError, match="which holds also 'thesis.tex'"):
        with place.building(old, overwrite=True) as folder:
            (folder / "file").write_text("new")
    assert contents(old) == {"manifest.json": OLD, "thesis.tex": "years of work"}
    assert list(old.parent.iterdir()) == [old]


def test_names_that_are_no_text(tmp_path):
    with pytest.raises(ValueError, match=r"must be a path of UTF-8 text. Received: .*udcff"):
        place.check(tmp_path / os.fsdecode(b"q\xff"), False)


def test_what_cannot_be_put_back_is_kept(old, monkeypatch):
    """The place is taken a second time while the replacement is undone."""
    exchange, times = place._exchange, []

    def once(one, other):
        times.append(one)
        if len(times) > 1:
            return False
        (other / "thesis.tex").write_text("years of work")
        return exchange(one, other)

    monkeypatch.setattr(place, "_exchange", once)
    with pytest.raises(ValueError, match="which holds also 'thesis.tex'"):
        with place.building(old, overwrite=True) as folder:
            (folder / "file").write_text("new")
    (kept,) = old.parent.glob("bundle.*.kept")
    assert contents(kept) == {"manifest.json": OLD, "thesis.tex": "years of work"}
    assert not list(old.parent.glob(".*"))


def test_folders_of_like_names_are_not_removed(old):
    """Only those that this module itself named, see `_beside`."""
    mine = old.with_name(".bundle.draft.tmp")
    mine.mkdir()
    os.utime(mine, (0, 0))
    with place.building(old, overwrite=True) as folder:
        (folder / "manifest.json").write_text(OLD)
    assert mine.is_dir()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(old, error):
    with pytest.raises(error), place.building(old, overwrite=True) as folder:
        (folder / "file").write_text("new")
        raise error
    assert contents(old) == {"manifest.json": OLD}
    assert list(old.parent.iterdir()) == [old]


def test_a_failing_second_step_is_undone(old, monkeypatch):
    monkeypatch.setattr(place, "_exchange", lambda one, other: False)
    rename = os.rename

    def fail(source, target):
        if str(source).endswith(".tmp"):
            raise OSError("disk on fire")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="disk on fire"), place.building(old, True) as folder:
        (folder / "file").write_text("new")
    assert contents(old) == {"manifest.json": OLD}
    assert list(old.parent.iterdir()) == [old]


KILLED = """
import os, signal, sys
from kmeta_edge import place
def kill(*args): os.kill(os.getpid(), signal.SIGKILL)
path, where = sys.argv[1:]
rename = os.rename
if where == "between":
    place._exchange = lambda one, other: False
    moved = []
    def second(a, b):
        if moved: kill()
        if ".tmp" not in str(a): moved.append(a)
        rename(a, b)
    os.rename = second
with place.building(path, True) as folder:
    (folder / "file").write_text("new")
    if where == "building": kill()
"""


@pytest.mark.parametrize("where", ["building", "between"])
def test_killed(old, where):
    root = pathlib.Path(place.__file__).parents[1]
    command = [sys.executable, "-c", KILLED, str(old), where]
    process = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert process.returncode == -signal.SIGKILL
    assert old.exists() == (where == "building")
    place.check(old, overwrite=True)  # the next export begins so, and puts back what was moved
    assert contents(old) == {"manifest.json": OLD}

    (abandoned,) = old.parent.glob(".bundle.*.tmp")
    for age, there in ((60, True), (2 * 24 * 3600, False)):
        os.utime(abandoned, (time.time() - age,) * 2)
        with place.building(old, overwrite=True) as folder:
            (folder / "manifest.json").write_text(OLD)
        assert abandoned.exists() == there


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
        (old, False, r"pass `overwrite=True` .* to replace .* Received: '.*bundle', which is not"),
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
    with place.building(link, overwrite=True) as folder:
        (folder / "manifest.json").write_text("new")
    assert link.is_symlink()
    assert contents(old) == {"manifest.json": "new"}
