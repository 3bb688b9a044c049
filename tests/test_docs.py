"""Everything that README and the pages of docs/ show is so: commands, code, what is printed, links.

The blocks of a page run one after the other, in one folder and one Python session, after `kmeta
demo`. A `text` block is what the block before it prints: `...` stands for anything, and numbers may
differ by 5 % (training adds in another order on other processors).
"""

import glob
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from kmeta_edge.cli import main as edge_main
from quick_cases import others_slow

import kmeta
from kmeta.cli.main import main, make_parser
from kmeta.recipes import RECIPES
from kmeta.runs.cluster import is_chief

ROOT = Path(__file__).parents[1]
EDGE = ROOT / "serving" / "edge" / "README.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), EDGE]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d*)?")

# Commands that would take minutes run with less to do.
LITTLE = "--epochs 1 --steps 2 --filters 4 --episodes 8"
LESS = {
    "kmeta train --learner": LITTLE,
    "kmeta evaluate": "--episodes 20",
}
# These are read by the parser and no more; each is run by the tests named.
ONLY_READ = {
    "kmeta demo": "a fixture here runs it, once for all pages",
    "kmeta train --recipe prototypical-omniglot": "needs Omniglot: tests/cli/test_commands.py",
    "kmeta train --recipe maml-omniglot": "needs Omniglot: tests/cli/test_commands.py",
    "kmeta train --resume --run runs/maml": "of the run before: tests/runs/test_training.py",
    "kmeta evaluate runs/omniglot --benchmark": "needs Omniglot: tests/cli/test_benchmark.py",
    "kmeta export ten.keras small-bundle --quantize": "minutes: tests/exporting/test_int8.py",
    "kmeta export mine --web": "needs onnxruntime-web: tests/serving/test_static.py",
    "kmeta serve": "does not end by itself: tests/serving/test_server.py",
}
# Other tests run their commands, smaller.
LONG = ("command-line.md", "export-and-serving.md", "own-pictures.md", "training-and-data.md")
# Setting up, which .ci/run and whoever reads the page do.
SET_UP = ("python3 -m venv .venv && .venv/bin/pip install ", "pip install ./serving/", "npm ")

RAN = set()  # what another page shows to the letter runs once


def blocks(page):
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def shell_lines(text):
    return [line for line in text.replace("\\\n", " ").splitlines() if line]


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder in which `kmeta demo` ran, for a short time."""
    place = tmp_path_factory.mktemp("demo")
    recipe = RECIPES["demo-glyphs"]
    few = {name: replace(getattr(recipe, name), steps=10) for name in ("train", "val", "test")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setitem(RECIPES, "demo-glyphs", replace(recipe, **few))
        assert main(["demo", "--epochs", "1"]) == 0
    return place / "kmeta-demo"


def test_the_demo_leaves_what_it_says(demo):
    files = ("run/learner.keras", "classifier.keras", "bundle/manifest.json", "episode.png")
    assert all((demo / name).exists() for name in files)
    assert len(list((demo / "drawings").glob("character*/*.png"))) == 50
    assert len(list((demo / "new").glob("*.png"))) == 11


@pytest.mark.filterwarnings("ignore:DO NOT RELY")  # networks here are trained for seconds
@pytest.mark.parametrize(
    "page",
    others_slow(PAGES, [page for page in PAGES if page.name not in LONG]),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_page_is_so(page, demo, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo, "kmeta-demo")
    names, printed = {}, ""
    for kind, text in blocks(page):
        capsys.readouterr()
        if kind == "python":
            exec(compile(text, page.name, "exec"), names)
        elif kind == "mermaid":  # a drawing
            continue
        elif kind == "sh":
            for line in shell_lines(text):
                run(line)
        else:
            assert kind == "text", f"no way to check a block of {kind}"
            assert agree(printed, text), f"{page.name} has\n{text}\nprinted is\n{printed}"
            continue
        printed = capsys.readouterr().out


def run(line):
    """Run a command of `kmeta` in this process, or see that it can be read."""
    if line.startswith("TF_CONFIG="):  # tests/runs/test_distributed.py runs two processes
        config, command, *words = shlex.split(line.removesuffix("&"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(*config.split("=", 1))
            assert is_chief("multi-worker") in (True, False)
        assert command == "kmeta" and callable(make_parser().parse_args(words).command)
        return
    if line.startswith("kmeta-edge "):
        assert (
            edge_main(
                [word for part in shlex.split(line, comments=True)[1:] for word in expanded(part)]
            )
            == 0
        )
        return
    if not line.startswith("kmeta "):
        assert line.startswith(SET_UP), f"neither run nor known: {line}"
        return
    command = [word for part in shlex.split(line, comments=True)[1:] for word in expanded(part)]
    if line.startswith(tuple(ONLY_READ)) or line in RAN:
        assert callable(make_parser().parse_args(command).command)
        return
    more = next((more for start, more in LESS.items() if line.startswith(start)), "")
    assert main([*command, *shlex.split(more)]) == 0, line
    RAN.add(line)


def expanded(word):
    return sorted(glob.glob(word)) if "*" in word else [word]


def agree(printed, expected):
    """Whether two texts are the same but for white space, `...`, and numbers by 5 %."""
    return _agree(printed.split(), expected.split())


def _agree(words, wanted):
    if not wanted:
        return not words
    if wanted[0] == "...":
        return any(_agree(words[skip:], wanted[1:]) for skip in range(len(words) + 1))
    return bool(words) and same(words[0], wanted[0]) and _agree(words[1:], wanted[1:])


def same(word, wanted):
    """Whether two words are the same but for their numbers, and these near."""
    found, expected = NUMBER.findall(word), NUMBER.findall(wanted)
    if NUMBER.sub("#", word) != NUMBER.sub("#", wanted):
        return False
    return all(
        abs(float(a) - float(b)) <= 0.05 * max(1.0, float(b))
        for a, b in zip(found, expected, strict=True)
    )


def test_what_is_printed_is_compared():
    assert agree("a 97.1 % of [1, 2]\n", "a 96.9 %  of [1, 2]")
    assert agree("Temperature 1.76: error", "Temperature 1.75: ...")
    assert not agree("a 97.1 %", "a 88.9 %")
    assert not agree("a 97.1 % of it", "a 97.1 %")
    assert not agree("['unknown']", "['known']")


@pytest.mark.parametrize(
    "page", [*PAGES, *ROOT.glob("[BC]*.md")], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_the_checks_run_the_test_command_of_the_readme():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [x for kind, text in blocks(PAGES[0]) if kind == "sh" for x in text.splitlines()]
    (test,) = [line for line in commands if line.endswith("pytest")]
    assert test in lines
    (demo,) = [line for line in commands if line.endswith("kmeta demo")]
    assert demo.startswith('python3 -m venv .venv && .venv/bin/pip install ".[tensorflow]" && ')


def test_excuses_are_still_needed():
    shown = "".join(text for page in PAGES for kind, text in blocks(page) if kind == "sh")
    for start in ONLY_READ:
        assert start in shown, f"no page shows {start!r} any more"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_that_are_mentioned_are_there(page):
    for name in re.findall(r"`kmeta\.([\w.]+)", page.read_text(encoding="utf-8")):
        thing = kmeta
        for part in name.split("."):
            thing = getattr(thing, part)
