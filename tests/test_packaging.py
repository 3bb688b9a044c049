"""What is built of the sources holds all of kmeta, also where git makes no links."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = (
    "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])('.'))"
)


def built(kind, folder):
    """The wheel or source archive that setuptools makes in a folder of sources."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", BUILD, f"build_{kind}"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module", params=["linked", "unlinked"])
def archives(request, tmp_path_factory):
    """`(source archive, wheel built of it)`; weights are left out, which take long to pack."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    unwanted = shutil.ignore_patterns("__pycache__", "*.keras", "*.npz", "*.egg-info", "build")
    shutil.copytree(ROOT / "kmeta", folder / "kmeta", symlinks=True, ignore=unwanted)
    shutil.copytree(ROOT / "serving", folder / "serving", symlinks=True, ignore=unwanted)
    link = folder / "kmeta" / "edge"
    target = os.readlink(link) if link.is_symlink() else link.read_text()
    if request.param == "unlinked":  # what git writes on Windows
        link.unlink()
        link.write_text(target)
    sources = built("sdist", folder)
    inside = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sources) as archive:
        archive.extractall(inside, filter="data")
    return sources, built("wheel", next(inside.iterdir()))


def expected():
    """Files of the package, as they are named in a wheel."""
    files = [
        path for path in (ROOT / "kmeta").rglob("*") if path.suffix in (".py", ".typed", ".json")
    ]
    names = {path.relative_to(ROOT).as_posix() for path in files}
    edge = (ROOT / "serving" / "edge" / "kmeta_edge").glob("*.py")
    return names | {f"kmeta/edge/{path.name}" for path in edge} | {"kmeta/weights/NOTICE"}


def test_the_wheel_holds_every_module(archives):
    with zipfile.ZipFile(archives[1]) as wheel:
        names = set(wheel.namelist())
    assert {"kmeta/edge/classifier.py", "kmeta/py.typed"} <= expected()
    assert expected() - names == set()
    assert {name.split("/")[0] for name in names} == {"kmeta", "kmeta-0.1.0.dist-info"}


def test_what_is_installed_from_the_source_archive_imports(archives, tmp_path):
    with zipfile.ZipFile(archives[1]) as wheel:
        wheel.extractall(tmp_path)
    code = "import kmeta, kmeta.edge; print(kmeta.edge.__file__, kmeta.edge.FewShotClassifier)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "kmeta" / "edge"))
