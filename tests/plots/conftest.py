"""What the tests of pictures share."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch):
    """A list that gets every matplotlib figure as it is written, to look at what was drawn."""
    written = []
    save = Figure.savefig

    def recorded(self, *args, **kwargs):
        written.append(self)
        return save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", recorded)
    return written
