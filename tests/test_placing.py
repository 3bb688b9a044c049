"""Files that appear whole or not at all, whoever else writes there."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kmeta.placing import replaced


def write(path, text, **options):
    with replaced(path, **options) as draft:
        assert draft.parent == path.parent and draft.suffix == path.suffix
        draft.write_text(text)


def test_old_or_new_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "page.html"
    write(path, "one")
    write(path, "two")
    with pytest.raises(KeyError), replaced(path) as draft:
        draft.write_text("three")
        raise KeyError
    assert path.read_text() == "two"
    assert os.listdir(path.parent) == ["page.html"]


@pytest.mark.parametrize("links", [True, False])
def test_what_came_into_being_meanwhile_stays(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError("none")))
    path = tmp_path / "page.html"
    write(path, "mine", overwrite=False)
    with pytest.raises(FileExistsError, match=r"exists"), replaced(path, overwrite=False) as draft:
        draft.write_text("mine too")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["page.html"]


def test_files_of_others_beside_it_stay(tmp_path):
    path, old = tmp_path / "a[1].npz", time.time() - 2 * 24 * 60 * 60
    left = [".a[1].npz.0123456789ab.partial.npz", ".a[1].npz.ab0123456789.partial.npz"]
    others = [".partial-a[1].npz", ".a[1].npz.mine.partial.npz", ".a1.npz.0123456789ab.partial.npz"]
    for name in (*left, *others):
        (tmp_path / name).write_text("x")
    for name in (left[0], *others):
        os.utime(tmp_path / name, (old, old))
    write(path, "new")
    assert set(os.listdir(tmp_path)) == {path.name, left[1], *others}


def write_often(path, letter):
    for _ in range(200):
        write(path, letter * 10_000)


def test_two_writers_never_mix(tmp_path):
    path = tmp_path / "result.json"
    write(path, "c" * 10_000)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        text = path.read_text()
        assert len(text) == 10_000 and len(set(text)) == 1
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert os.listdir(tmp_path) == ["result.json"]


def test_one_of_two_that_make_the_same_file_is_told(tmp_path):
    path = tmp_path / "mine.keras"
    with replaced(path, overwrite=False) as first:
        first.write_text("first")
        write(path, "second", overwrite=False)
        with pytest.raises(FileExistsError):
            write(path, "third", overwrite=False)
        assert path.read_text() == "second"
        path.unlink()
    assert path.read_text() == "first"


def test_killed_while_it_writes(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    code = (
        "import sys; from kmeta.placing import replaced\n"
        "with replaced(sys.argv[1]) as draft:\n"
        "    draft.write_text('new'); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "old"
    write(path, "newer")
    assert path.read_text() == "newer"
    assert len(os.listdir(tmp_path)) == 2  # what was left goes a day later
    for other in Path(tmp_path).iterdir():
        os.utime(other, (0, 0))
    write(path, "newest")
    assert os.listdir(tmp_path) == ["page.html"]
