"""What the equations say of tensors that do not fit, and that they say it first."""

import ast
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import kmeta.ops
from kmeta.ops.shapes import check_same, check_shapes

ANY_SHAPE = {"preprocess"}
# functions that hand their tensors to another equation at once
MADE_OF_OTHERS = {"summed", "augmented", "embed", "logits", "by_coordinates", "generated"}


def test_names_of_axes_stand_for_sizes():
    a, b = np.zeros((2, 5, 3)), np.zeros((2, 4, 3))
    check_shapes(a=(a, "tasks n features"), b=(b, "tasks m features"))
    check_shapes(a=(a, "... features"), b=(b[0], "... features"), c=(a, "2 5 c"))
    message = (
        r"Expected `a` of shape `\[tasks, n\]` and `b` of shape `\[tasks, m, features\]`. "
        r"Received: a.shape=\(2, 5, 3\), b.shape=\(2, 4, 3\)"
    )
    with pytest.raises(ValueError, match=message):
        check_shapes(a=(a, "tasks n"), b=(b, "tasks m features"))
    for wrong in ("tasks n n", "2 5 4", "... 3 5", "... a b c d"):
        with pytest.raises(ValueError, match="Expected `a`"):
            check_shapes(a=(a, wrong))
    with pytest.raises(ValueError, match="Expected `a`.*and `b`"):
        check_shapes(a=(a, "... n features"), b=(b, "... n features"))


def test_sizes_that_are_not_known_fit():
    unknown = tf.TensorSpec((None, 3))
    check_shapes(a=(unknown, "n c"), b=(np.zeros((4, 3)), "n c"), c=(tf.TensorSpec(None), "x y z"))
    with pytest.raises(ValueError, match=r"a.shape=\(None, 3\)"):
        check_shapes(a=(unknown, "n c"), b=(np.zeros((4, 2)), "n c"))
    check_same(a=unknown, b=np.zeros((7, 3)), c=tf.TensorSpec(None))


@pytest.mark.parametrize("other", [(2, 4), (3,), (2, 3, 1)])
def test_one_shape(other):
    with pytest.raises(ValueError, match="Expected `a` and `b` of one shape. Received: a.shape="):
        check_same(a=np.zeros((2, 3)), b=np.zeros(other))


def unchecked(module):
    """Public functions of a module of equations whose first statement checks no shapes."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
            first = ast.unparse(function.body[1]) if len(function.body) > 1 else ""
            if not first.startswith(("check_shapes(", "check_same(")):
                yield function.name


def test_every_equation_checks_ranks_first():
    modules = [
        importlib.import_module(f"kmeta.ops.{module.name}")
        for module in pkgutil.iter_modules(kmeta.ops.__path__)
        if not module.ispkg and module.name != "shapes"
    ]
    assert len(modules) >= 9
    found = {name for module in modules for name in unchecked(module)}
    assert found == ANY_SHAPE | MADE_OF_OTHERS
