"""Marks what of the contract takes long."""

import pytest
from specimens import SPECIMENS


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        name = getattr(item, "callspec", None) and item.callspec.params.get("specimen")
        if name and item.name.startswith(SPECIMENS[name].slow):
            item.add_marker(pytest.mark.slow)
