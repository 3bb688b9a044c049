"""The tables of docs/benchmarks.md are what the files in benchmarks/measured/ say."""

import json
import re

import pytest
import tables

MACHINE = {"hardware": "CPU, 2 x made up", "tensorflow": "9.8"}
VERSIONS = {"torch": "7.6", "easyfsl": "5.4"}
CONDITION = "CPU, 2 x made up, TensorFlow 9.8"


def made(folder, name, record):
    (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    text = tables.rendered(f"before\n<!-- {name} -->\nold\n<!-- end of {name} -->\nafter", folder)
    assert text.startswith(f"before\n<!-- {name} -->\n\n| ")
    assert text.endswith(f".\n\n<!-- end of {name} -->\nafter")
    return text


def test_the_page_is_what_was_measured():
    text = tables.PAGE.read_text(encoding="utf-8")
    assert text == tables.rendered(text), "write it with: python benchmarks/tables.py"
    assert set(re.findall(r"<!-- end of (.+) -->", text)) == set(tables.TABLES)


def test_what_is_measured_is_on_the_page():
    names = {path.stem for path in tables.MEASURED.glob("*.json")}
    assert names <= set(tables.TABLES)


@pytest.mark.parametrize("changed", [False, True])
def test_a_page_that_is_not_so_is_told(tmp_path, monkeypatch, changed):
    page = tmp_path / "page.md"
    page.write_text(tables.rendered(tables.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    if changed:
        page.write_text(page.read_text(encoding="utf-8").replace("| MAML", "| MANN"))
    before = page.read_text(encoding="utf-8")
    monkeypatch.setattr(tables, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    assert tables.main() == int(changed)
    assert page.read_text(encoding="utf-8") == before
    monkeypatch.setattr("sys.argv", ["tables.py"])
    assert tables.main() == 0
    assert "| MANN" not in page.read_text(encoding="utf-8")


def test_peers(tmp_path):
    rows = {
        "MAML": {
            "kmeta_seconds": 0.2104,
            "kmeta_first": 5.2,
            "share": 0.271,
            "peers": {"loop": {"ratio": 2.4}, "compile": {"ratio": 1.05, "first": 59.4}},
        },
        "Prototypical": {
            "kmeta_seconds": 0.19,
            "kmeta_first": 3.0,
            "share": 0.62,
            "peers": {
                "eager": {"ratio": 2.5},
                "channels_last": {"ratio": 1.7},
                "compile": {"ratio": 1.6, "first": 20.0},
                "easyfsl": {"ratio": 3.0},
            },
        },
    }
    text = made(tmp_path, "peers", {"machine": MACHINE, "peers": VERSIONS, "learners": rows})
    assert "| MAML | 210 | 27 % | 2.40 | - | 1.05 | - | - | 5 / 59 |" in text
    assert "| Prototypical | 190 | 62 % | 2.50 | - | 1.60 | 1.70 | 3.00 | 3 / 20 |" in text
    assert f"{CONDITION}, PyTorch 7.6, easyfsl 5.4." in text


def test_sampling(tmp_path):
    rates = {"kmeta": 3400.0, "easyfsl": 1700.0}
    record = {"machine": MACHINE, "peers": VERSIONS, "tasks_per_second": rates}
    assert "| kmeta | 3,400 | 2.0 |\n| easyfsl | 1,700 | 1.0 |" in made(
        tmp_path, "sampling", record
    )


def test_edge(tmp_path):
    times = {"kmeta_edge": 0.3, "onnxruntime": 0.25, "tensorflow": 1.5}
    row = {"learner": "a", "pictures": 1, "milliseconds": times}
    text = made(tmp_path, "edge", {"machine": MACHINE, "rows": [row]})
    assert f"| `a` | 1 | 0.30 | 1.20 | 0.20 |\n\n{CONDITION}." in text


def test_jax(tmp_path):
    rows = {"MAML": {"kmeta": 44.4, "plain": 66.6}}
    record = {"device": "A card", "jax": "0.1", "precision": "highest", "learners": rows}
    text = made(tmp_path, "jax_steps-h100", record)
    assert "| MAML | 44 | 67 | 0.67 |\n\nA card, JAX 0.1, precision highest." in text
