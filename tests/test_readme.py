"""What README.md says is so: its commands, its code, its tables."""

import re
import shlex
from pathlib import Path

import pytest

import kmeta
from kmeta.cli.main import make_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def test_the_checks_run_the_test_command_of_the_readme():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    (command,) = [line for line in SHELL if line.endswith("pytest")]
    assert command in lines
    (demo,) = [line for line in SHELL if line.endswith("kmeta demo")]
    assert demo.startswith("python3 -m venv .venv && .venv/bin/pip install . && ")


@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("kmeta ")])
def test_every_command_of_the_readme_can_be_read(command):
    parsed = make_parser().parse_args(shlex.split(command)[1:])
    assert callable(parsed.command)


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(text for kind, text in BLOCKS if kind == "python")
    for long, short in (
        ("epochs=4", "epochs=1"),
        ("steps=50", "steps=2"),
        ("steps=100", "steps=2"),
    ):
        assert long in code
        code = code.replace(long, short)
    exec(compile(code, "README.md", "exec"), {})
    assert "% +- " in capsys.readouterr().out
    assert (tmp_path / "bundle" / "classifier.onnx").exists()


def test_systems_are_marked_as_they_are():
    rows = re.findall(r"^\| `(\w+)`.*\| (available|planned) \|$", README, re.MULTILINE)
    assert len(rows) == 9
    for name, status in rows:
        assert (name in kmeta.__all__) == (status == "available"), name
