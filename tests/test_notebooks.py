"""The notebooks run from top to bottom, print what they are committed with, and define nothing."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def said(cell):
    """What a cell printed, without numbers and the lines of training; and the kinds of its data."""
    texts = [out["text"] for out in cell["outputs"] if out["output_type"] == "stream"]
    text = "".join("".join(text) for text in texts)
    lines = [line for line in text.splitlines() if line and "/step" not in line]
    kinds = [sorted(out["data"]) for out in cell["outputs"] if "data" in out]
    return [re.sub(r"[-+\d.e]+|\s+", "", line) for line in lines], kinds


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_as_run_once(path):
    cells = code_cells(json.loads(path.read_text(encoding="utf-8")))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]
    assert sum(bool(cell["outputs"]) for cell in cells) >= len(cells) / 2
    source = "\n".join("".join(cell["source"]) for cell in cells)
    assert "class " not in source
    assert source.count("def ") <= 1  # a helper of one line
    assert str(ROOT) not in path.read_text(encoding="utf-8")


def test_there_is_one_for_each_family_and_use():
    names = {"metric", "memory", "optimization", "your_own_images", "to_production"}
    assert {path.stem for path in NOTEBOOKS} == names


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_running_again_says_the_same(path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from notebooks import executed  # pyright: ignore[reportMissingImports]

    assert "notebooks" in sys.modules
    before = code_cells(json.loads(path.read_text(encoding="utf-8")))
    after = code_cells(executed(path))
    for old, new in zip(before, after, strict=True):
        assert said(new) == said(old), "".join(old["source"])
