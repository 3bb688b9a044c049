"""Every equation looks at the ranks and sizes of what it is given before it computes."""

import ast
from pathlib import Path

import pytest

from kmeta import ops

ROOT = Path(ops.__file__).parent
FILES = sorted(path for path in ROOT.glob("*.py") if path.stem not in ("__init__", "shapes"))
CHECKS = {"check_shapes", "check_same"}
ELSEWHERE = {  # the check is the first thing that what they call does, or any shape will do
    "fast_weights.summed": "`layer` checks",
    "fast_weights.augmented": "`layer` checks",
    "fast_weights.embed": "`maps` checks",
    "fast_weights.logits": "`maps` checks",
    "coordinates.by_coordinates": "weights of any shape",
    "coordinates.generated": "weights of any shape",
    "learned_optimizer.preprocess": "number by number, of any shape",
}


def public_functions():
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{path.stem}.{node.name}", node


def checks_first(function):
    """Whether the first statement after the docstring is a check."""
    first = function.body[1]
    call = first.value if isinstance(first, ast.Expr) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") in CHECKS


@pytest.mark.parametrize(
    ("name", "function"), [*public_functions()], ids=lambda x: x if isinstance(x, str) else ""
)
def test_the_check_comes_first(name, function):
    assert checks_first(function) != (name in ELSEWHERE), name


def test_exceptions_are_still_there():
    assert set(ELSEWHERE) <= {name for name, _ in public_functions()}
