"""Public names that load on first use, so that importing a package is quick."""

import contextlib
import importlib
import sys


@contextlib.contextmanager
def backend_needed():
    """Say what to install where what is inside misses the backend that Keras is set to."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax"):
            raise
        raise ModuleNotFoundError(
            f"Keras is set to compute with {error.name}, which is not installed. kmeta needs one "
            "of two: `pip install 'kmeta[tensorflow]'`, or `pip install 'kmeta[jax]'` and the "
            "environment variable KERAS_BACKEND=jax",
            name=error.name,
        ) from error


def names(package, homes, own=()):
    """Return `(__getattr__, __dir__, __all__)` of a package.

    homes: `{public name: module that holds it}`; a module that has the name itself is the thing.
    own: public names that the package defines itself.
    """

    def get(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with backend_needed():
            module = importlib.import_module(homes[name])
        if homes[name] == f"{package}.{name}":
            return module
        value = getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    public = sorted([*homes, *own])
    return get, lambda: public, public
