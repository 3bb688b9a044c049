"""What is printed commands no terminal, and printing is never what fails."""

import io
import os
import subprocess
import sys

import pytest

from kmeta.cli import main as command_line
from kmeta.cli import train
from kmeta.cli.output import Output, guarded, progress_bars, shown

NAME = "ant\x1b[2J\r\x07\x00\x9b\u202e\u2028\ud800é漢"
SHOWN = r"ant\x1b[2J\r\x07\x00\x9b\u202e\u2028\ud800é漢"


def as_command(monkeypatch, run):
    """Let `kmeta train` run a function."""
    monkeypatch.setattr(train, "run", run)


def test_names():
    assert shown(NAME) == SHOWN
    assert shown("a\nb\tc") == r"a\nb\tc"
    assert shown("a\nb\tc\r", kept="\n\t") == "a\nb\tc\\r"


def test_no_command_reaches_the_terminal(monkeypatch, capsys):
    def run(_):
        print(f"Learned {NAME}\nand\tmore")
        raise ValueError(f"Cannot read {NAME}")

    as_command(monkeypatch, run)
    assert command_line.main(["train"]) == 2
    printed = capsys.readouterr()
    assert printed.out == f"Learned {SHOWN}\nand\tmore\n"
    assert printed.err.startswith(r"kmeta train: error: Cannot read ant\x1b[2J")
    assert printed.err.isprintable() or printed.err[:-1].isprintable()


def test_progress_bars_alone_command_it(capsys):
    with guarded():
        with progress_bars():
            sys.stdout.write("\rbar")
        sys.stdout.write("\rname")
    assert capsys.readouterr().out == "\rbar\\rname"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_encodings(monkeypatch, encoding):
    written = io.BytesIO()
    done = []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    as_command(monkeypatch, lambda _: [print("漢 é"), done.append(True)])
    assert command_line.main(["train"]) == 0
    assert done
    assert (
        written.getvalue().decode(encoding)
        == {
            "ascii": "\\u6f22 \\xe9\n",
            "latin-1": "\\u6f22 é\n",
            "utf-8": "漢 é\n",
        }[encoding]
    )


class Broken(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, text):
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (BrokenPipeError(32, "Broken pipe"), 0, ""),
        (OSError(28, "No space left on device"), 1, "the output could not be printed: [Errno 28]"),
        (ValueError("I/O operation on closed file"), 1, "the output could not be printed: I/O"),
    ],
)
def test_printing_that_fails_does_not_end_the_work(monkeypatch, capsys, error, code, message):
    done = []
    as_command(monkeypatch, lambda _: [print("one"), print("two", flush=True), done.append(True)])
    monkeypatch.setattr(sys, "stdout", Broken(error))
    assert command_line.main(["train"]) == code
    assert done
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == (1 if code else 0)


def test_no_output_at_all(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    as_command(monkeypatch, lambda _: print("one"))
    assert command_line.main(["train"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("Argument `x`"), 2, "error: Argument `x`"),
        (FileNotFoundError("No such"), 2, "error: No such"),
        (ImportError("needs onnx"), 2, "error: needs onnx"),
        (ValueError(), 2, "error: ValueError"),
        (FloatingPointError("The loss is nan"), 1, "error: The loss is nan"),
        (MemoryError("Unable to allocate"), 1, "error: not enough memory (Unable to allocate)"),
        (MemoryError(), 1, "error: not enough memory (MemoryError)"),
        (OSError(28, "No space left"), 1, "error: [Errno 28] No space left"),
        (
            TypeError("a\nb"),
            1,
            "unexpected error: TypeError: a b (--debug shows where)",
        ),
        (
            RecursionError("too deep"),
            1,
            "unexpected error: RecursionError: too deep (--debug shows where)",
        ),
        (AssertionError(), 1, "unexpected error: AssertionError: AssertionError (--debug"),
    ],
)
def test_every_exception_is_one_line(monkeypatch, capsys, error, code, line):
    def run(_):
        raise error

    as_command(monkeypatch, run)
    assert command_line.main(["train"]) == code
    errors = capsys.readouterr().err
    assert errors.startswith(f"kmeta train: {line}")
    assert errors.count("\n") == 1
    with pytest.raises(type(error)):
        command_line.main(["train", "--debug"])


def test_a_process_whose_reader_has_gone_or_whose_disk_is_full():
    command = [sys.executable, "-m", "kmeta.cli.main", "train", "--recipe", "list"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writer)
    assert (found.returncode, found.stderr) == (0, "")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            found = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
        assert found.returncode == 1
        assert found.stderr.count("\n") == 1
        assert "the output could not be printed" in found.stderr


def test_it_is_a_stream(tmp_path):
    with open(tmp_path / "file", "w") as file:
        output = Output(file)
        assert output.fileno() == file.fileno() and not output.isatty()
        assert output.write("é\r") == 2
