"""What the command prints: nothing that commands a terminal, and no failure of the work."""

import contextlib
import io
import os
import sys
import unicodedata

_KEPT = "\n\t"
_COMMANDS = ("Cc", "Cs", "Zl", "Zp")  # control characters, surrogates, separators of lines
_DIRECTIONS = {chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}


def shown(name, kept=""):
    """A text of one line whose control characters are escaped as in Python; `kept` are not.

    >>> print(shown("ant\\n\\x1b[2J"))
    ant\\n\\x1b[2J
    """
    return "".join(
        letter.encode("unicode_escape").decode()
        if letter not in kept
        and (letter in _DIRECTIONS or unicodedata.category(letter) in _COMMANDS)
        else letter
        for letter in str(name)
    )


class Output(io.TextIOBase):
    """A stream that escapes what its terminal would obey, or its encoding does not have.

    error: the first that writing raised, or None; nothing is written after it. The work goes on.
    escapes: whether control characters are escaped.
    """

    def __init__(self, stream):
        self.stream, self.error, self.escapes = stream, None, True

    def write(self, text):
        """Write a text, as far as the stream takes it."""
        safe = shown(text, _KEPT) if self.escapes else text
        encoding = getattr(self.stream, "encoding", None)
        if encoding:
            safe = safe.encode(encoding, "backslashreplace").decode(encoding)
        self._try(lambda: self.stream.write(safe))
        return len(text)

    def flush(self):
        """Pass on what is kept back."""
        self._try(self.stream.flush)

    def isatty(self):
        """Whether it is a terminal."""
        return self.stream.isatty()

    def fileno(self):
        """The number of its file."""
        return self.stream.fileno()

    def _try(self, function):
        if self.error is None:
            try:
                function()
            except (OSError, ValueError) as error:  # no room, no reader, closed
                self.error = error


@contextlib.contextmanager
def guarded():
    """Send standard output and errors through `Output` inside; gives that of the output.

    A stream that the process was started without stays absent.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream and Output(stream) for stream in before)
    output, errors = sys.stdout, sys.stderr
    try:
        yield output
    finally:
        for stream in (output, errors):
            if stream:
                stream.flush()
                _drop_rest(stream)
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def progress_bars():
    """Let progress bars command the terminal inside; no name is printed there."""
    output = sys.stdout
    if isinstance(output, Output):
        output.escapes = False
    try:
        yield
    finally:
        if isinstance(output, Output):
            output.escapes = True


def _drop_rest(output):
    """Let Python not try, and complain, again when it ends."""
    if output.error is not None and output.stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output.stream.fileno())
            os.close(nowhere)
