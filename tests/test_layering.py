"""Who may import whom, read from the sources; docstrings; and that `import kmeta` is quick."""

import ast
import graphlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from public_names import public_objects

import kmeta

ROOT = Path(kmeta.__file__).parent
ALLOWED = {  # room: the rooms it may import, besides itself
    "kmeta": {"lazy", "learners", "version"},
    "version": set(),
    "lazy": set(),
    "episode": set(),
    "checks": set(),
    "placing": set(),
    "edge": set(),  # the package for devices, serving/edge/kmeta_edge
    "recipes": {"checks"},
    "weights": set(),
    "data": {"lazy", "edge", "episode", "checks"},
    "ops": {"episode", "checks"},
    "layers": {"ops", "episode", "checks"},
    "learners": {"lazy", "layers", "ops", "data", "edge", "episode", "checks"},
    "evaluation": {"lazy", "learners", "data", "ops", "episode", "checks"},
    "exporting": {"version", "learners", "ops", "data", "edge", "episode", "checks"},
    "plots": {"lazy", "evaluation", "learners", "data", "episode", "checks", "placing"},
    "runs": {"lazy", "version", "evaluation", "learners", "layers", "ops", "data", "recipes"}
    | {"weights", "checks", "placing"},
    "few_shot": {"lazy", "runs", "exporting", "evaluation", "learners", "layers", "data"}
    | {"ops", "edge", "episode", "checks", "weights"},
    "report": {"plots", "evaluation", "runs", "recipes", "learners", "layers", "data", "edge"}
    | {"placing"},
    "cli": {"version", "few_shot", "report", "plots", "runs", "exporting", "evaluation", "learners"}
    | {"data", "edge", "lazy", "recipes", "weights", "placing"},
}
LEARNER_BASES = {"kmeta.learners.meta_learner", "kmeta.learners.classifier"}
FILES = sorted(ROOT.rglob("*.py"))


def room(module):
    """The part of kmeta that a module `kmeta.<part>...` belongs to; "kmeta" for the package."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "kmeta"


def imports(path):
    """Modules that a file imports, at any depth of its code.

    The list that a package keeps of its lazy names, for type checkers alone, does not count.
    """
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__init__.py":
        tree.body = [part for part in tree.body if not is_for_type_checkers(part)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:  # kmeta_edge is kmeta.edge too, under either name by itself
                assert path.parent.name == "kmeta_edge", f"{path}: relative import"
                continue
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = node.module.startswith("kmeta") and (
                    ROOT.parent.joinpath(*inner.split(".")).with_suffix(".py").exists()
                    or ROOT.parent.joinpath(*inner.split(".")).is_dir()
                )
                found.add(inner if is_module else node.module)
    return found


def is_for_type_checkers(part):
    return isinstance(part, ast.If) and getattr(part.test, "id", "") == "TYPE_CHECKING"


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_rooms_import_only_what_they_may():
    assert len(FILES) > 30
    for path in FILES:
        own = room(module_name(path))
        assert own in ALLOWED, f"say in ALLOWED what kmeta.{own} may import"
        for module in imports(path):
            if module.split(".")[0] == "kmeta":
                assert room(module) in ALLOWED[own] | {own}, f"{path} imports {module}"
            assert module.split(".")[0] not in ("serving", "tests", "notebooks", "benchmarks")


def test_no_files_import_one_another_in_a_circle():
    graph = {module_name(path): imports(path) for path in FILES}
    known = {
        module: {other for other in found if other in graph} for module, found in graph.items()
    }
    order = list(graphlib.TopologicalSorter(known).static_order())  # raises CycleError
    assert order.index("kmeta.episode") < order.index("kmeta.learners.meta_learner")


def is_learner(module):
    """Whether a module holds a learner, rather than what several learners share."""
    path = ROOT.parent.joinpath(*module.split(".")).with_suffix(".py")
    if not module.startswith("kmeta.learners.") or not path.exists():
        return False
    return module in {home for home in kmeta._HOMES.values() if home not in LEARNER_BASES}


def test_learners_do_not_import_one_another():
    learners = [path for path in FILES if is_learner(module_name(path))]
    assert learners
    for path in learners:
        others = {module for module in imports(path) if is_learner(module)}
        assert not others - {module_name(path)}, f"{path} imports {others}"


@pytest.mark.parametrize("part", ["ops", "layers", "learners"])
def test_only_one_room_of_the_mathematics_imports_tensorflow(part):
    importers = [
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if room(module_name(path)) == part
        and any(module.split(".")[0] == "tensorflow" for module in imports(path))
    ]
    home = "ops/differentiation/tensorflow/"
    assert [path for path in importers if not path.startswith(home)] == []


def test_the_reader_of_bundles_is_the_package_for_devices():
    import kmeta.edge

    source = ROOT.parent / "serving" / "edge" / "kmeta_edge"
    assert Path(kmeta.edge.__file__).resolve() == source / "__init__.py"


def test_serving_needs_neither_kmeta_nor_tensorflow():
    for path in (ROOT.parent / "serving").rglob("*.py"):
        roots = {module.split(".")[0] for module in imports(path)}
        assert not roots & {"kmeta", "keras", "tensorflow"}, path


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "module",
    [
        *("kmeta", "kmeta.data", "kmeta.cli.main", "kmeta.runs.data", "kmeta.runs.folder"),
        *("kmeta.plots", "kmeta.evaluation.calibration", "kmeta.report"),
    ],
)
def test_what_loads_without_tensorflow(module):
    code = f"import {module}, sys; print([n for n in ('tensorflow', 'keras') if n in sys.modules])"
    assert run(code).strip() == "[]"


def has_docstring(thing):
    """Whether a name has a docstring of its own; a class does not have that of its base."""
    return bool(thing.__doc__ if inspect.isclass(thing) else inspect.getdoc(thing))


def test_every_public_name_has_a_docstring():
    found = dict(public_objects())
    assert [name for name, thing in found.items() if not has_docstring(thing)] == []
    for name in ("kmeta.MAML", "kmeta.ops.memory.read_weights", "kmeta.exporting.Int8.check"):
        assert name in found
    assert not has_docstring(type("Undocumented", (kmeta.MAML,), {}))


def test_public_names_are_listed_and_unknown_ones_refused():
    assert sorted(dir(kmeta)) == sorted(kmeta.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Protonet'"):
        kmeta.Protonet  # noqa: B018
