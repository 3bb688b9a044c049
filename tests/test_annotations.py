"""Every public function, method and field says what it takes and returns; `py.typed` is shipped."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest
from public_names import names_in, public_modules

import kmeta

LAZY = ("kmeta", "kmeta.data", "kmeta.evaluation", "kmeta.few_shot", "kmeta.plots", "kmeta.runs")
UNSPOKEN = ("self", "cls")
SPOKEN = ("__init__", "__len__", "__getitem__", "__iter__")  # magic methods that users call
BARE = (tuple, list, dict, set)  # of what?


def functions_of(cls):
    """`(name, function)` of the methods and properties that a class of kmeta defines."""
    for name, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "func", None) or value
        function = getattr(function, "__func__", function)
        public = name in SPOKEN or not name.startswith("_")
        if public and inspect.isfunction(function) and function.__module__.startswith("kmeta"):
            yield name, function


def public_signatures():
    """Every public function, and every one of a public class, under the first of its names."""
    found = {}
    for module in public_modules():
        for name in names_in(module):
            thing = getattr(module, name)
            if inspect.isclass(thing):
                for method, function in functions_of(thing):
                    found.setdefault(function, f"{module.__name__}.{name}.{method}")
            elif inspect.isfunction(thing):
                found.setdefault(thing, f"{module.__name__}.{name}")
    return [(name, inspect.unwrap(function)) for function, name in found.items()]


def left_open(function):
    """Parameters, and "return", that have no annotation, or one that leaves open of what."""
    signature = inspect.signature(function)
    said = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if name not in UNSPOKEN
    }
    said["return"] = signature.return_annotation
    return [name for name, what in said.items() if what is inspect.Signature.empty or what in BARE]


def test_every_public_function_and_method_is_annotated():
    signatures = public_signatures()
    assert len(signatures) > 300
    found = {name: left_open(function) for name, function in signatures}
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_one_without_annotations_is_noticed():
    def half(a: int, b):
        return a + b

    def bare(a: dict) -> tuple:
        return tuple(a)

    assert left_open(half) == ["b", "return"] and left_open(bare) == ["a", "return"]


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_see_the_names_that_load_on_first_use(package):
    module = importlib.import_module(package)
    seen = {}
    for block in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(block, ast.If) and getattr(block.test, "id", "") == "TYPE_CHECKING":
            for line in block.body:
                seen.update({alias.asname: (line.module, alias.name) for alias in line.names})
    own = {name for name in module.__all__ if f"def {name}(" in inspect.getsource(module)}
    assert sorted({*seen, *own}) == sorted(module.__all__)
    for name, (home, there) in seen.items():
        found = getattr(importlib.import_module(home), there, None)
        found = found or importlib.import_module(f"{home}.{there}")
        assert name == there and getattr(module, name) is found


def test_the_package_says_that_it_is_annotated():
    assert (Path(kmeta.__file__).parent / "py.typed").exists()
