"""Every public class and function has an example in its docstring, and it prints what it says.

Examples are those of doctest (`>>>`). They find the names of their module, and `np`, `keras` and
`kmeta`; they run in an empty folder, with the random numbers of seed 0. `...` stands for anything.
"""

import doctest
import inspect
import sys

import keras
import numpy as np
import pytest
from public_names import public_callables, public_objects

import kmeta

LONG = ("kmeta.exporting.Int8", "kmeta.report.write_report", "kmeta.runs.train")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def documented():
    """Every public object with an example, under the first of its names."""
    found = {}
    for name, thing in public_objects():
        if ">>>" in (thing.__doc__ or ""):
            found.setdefault(id(thing.__doc__), (name, thing))
    slow = pytest.mark.slow
    return [
        pytest.param(name, thing, id=name, marks=slow if name in LONG else ())
        for name, thing in found.values()
    ]


def home(thing):
    """The module in which a name is defined, of a property that of its getter."""
    thing = getattr(thing, "fget", None) or getattr(thing, "func", None) or thing
    return thing.__name__ if inspect.ismodule(thing) else thing.__module__


@pytest.mark.parametrize(("name", "thing"), documented())
def test_example(name, thing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {**vars(sys.modules[home(thing)]), "np": np, "keras": keras, "kmeta": kmeta}
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(thing), names, name, None, 0)
    assert test.examples
    said = []
    with np.printoptions(precision=4, suppress=True):
        doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


def test_every_public_class_and_function_has_an_example():
    missing = [name for name, thing in public_callables() if ">>>" not in (thing.__doc__ or "")]
    assert missing == []


def test_a_wrong_example_is_noticed():
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test, out=lambda text: None).failed == 1
