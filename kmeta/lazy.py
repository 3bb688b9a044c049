"""Public names that load on first use, so that importing a package is quick."""

import importlib
import sys


def names(package, homes, own=()):
    """Return `(__getattr__, __dir__, __all__)` of a package.

    homes: `{public name: module that holds it}`; a module that has the name itself is the thing.
    own: public names that the package defines itself.
    """

    def get(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name])
        if homes[name] == f"{package}.{name}":
            return module
        value = getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    public = sorted([*homes, *own])
    return get, lambda: public, public
