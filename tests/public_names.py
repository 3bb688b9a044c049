"""What kmeta makes public: its modules, their names, and the methods of these."""

import importlib
import inspect
import pkgutil

import kmeta

OTHER_MODULES = ("episode", "recipes", "report", "runs")  # public beside those that kmeta names


def public_modules():
    """kmeta, its public modules, and all modules of those that name no public names."""
    for name in ("kmeta", *(f"kmeta.{name}" for name in (*kmeta._MODULES, *OTHER_MODULES))):
        module = importlib.import_module(name)
        yield module
        if not hasattr(module, "__all__"):
            for part in pkgutil.iter_modules(getattr(module, "__path__", ())):
                yield importlib.import_module(f"{name}.{part.name}")


def names_in(module):
    """`__all__`, or else what is defined in a module."""
    if hasattr(module, "__all__"):
        return module.__all__
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    ]


def public_objects():
    """Public modules, their public names and the public methods of these, as (name, object)."""
    for module in public_modules():
        yield module.__name__, module
        for name in names_in(module):
            thing = getattr(module, name)
            yield f"{module.__name__}.{name}", thing
            if inspect.isclass(thing):
                for attribute in own_attributes(thing):
                    yield f"{module.__name__}.{name}.{attribute}", getattr(thing, attribute)


def own_attributes(cls):
    """Public methods and properties of a class that override nothing of Keras or Python."""
    foreign = [base for base in cls.__mro__ if not base.__module__.startswith("kmeta")]
    for attribute, value in vars(cls).items():
        documentable = inspect.isroutine(value) or isinstance(value, property)
        inherited = any(hasattr(base, attribute) for base in foreign)
        if documentable and not inherited and not attribute.startswith("_"):
            yield attribute


def public_callables():
    """Public classes and functions, each once, under the first of its names."""
    found = {}
    for module in public_modules():
        for name in names_in(module):
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found.setdefault(id(thing), (f"{module.__name__}.{name}", thing))
    return list(found.values())
