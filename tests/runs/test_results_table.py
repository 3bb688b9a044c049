"""The tables in README.md and docs/results.md are what `results/` says, and no hand typed them."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from kmeta.cli.main import main
from kmeta.cli.results import PAGES
from kmeta.recipes import Recipe
from kmeta.recipes.recipe import differences
from kmeta.recipes.reproductions import REPRODUCTIONS
from kmeta.runs.folder import write_json
from kmeta.runs.results_table import END, rendered, table

ROOT = Path(__file__).parents[2]
RESULTS = sorted(path.parent.name for path in (ROOT / "results").glob("*/result.json"))
NAME = "prototypical-omniglot-5way-1shot"


def made_up(of=NAME, accuracy=0.98765, made=15000, **changes):
    one = REPRODUCTIONS[of]
    scores = [
        {
            "tasks": asdict(setting.tasks),
            "options": setting.options,
            "published": setting.published,
            "accuracy": accuracy,
            "interval": 0.0012,
            "instances": None,
            "episodes": 2000,
            "bn_mode": setting.options["bn_mode"],
        }
        for setting in one.settings[:2]
    ]
    steps = {"made": made, "of": 15000}
    base = {"name": of, "seed_of": one.seed_of, "recipe": one.recipe.to_dict(), "hours": 1.26}
    base["machines"] = [{"hardware": "A card"}, {"hardware": "CPU, 2 x made up"}]
    return {**base, "steps": steps, "scores": scores, **changes}


def test_the_pages_are_what_the_results_say():
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        assert text == rendered(text, ROOT / "results"), f"write {page} with: kmeta results"


def test_kept_runs_name_no_folder_of_a_machine():
    for path in (ROOT / "results").glob("*/run/config.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["data_dir"] is None, path


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_of_the_recipe_as_it_is(name):
    record = json.loads((ROOT / "results" / name / "result.json").read_text(encoding="utf-8"))
    one = REPRODUCTIONS[name]
    different = differences(Recipe.from_dict(record["recipe"]), one.recipe)
    assert [d for d in different if d[0] not in ("name", "target", "source")] == []
    first = record["scores"][0]
    assert first["tasks"] == (one.settings[0].tasks and asdict(one.settings[0].tasks))
    assert first["options"] == one.settings[0].options


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_every_kept_learner_scores_the_same(name):
    """In every setting, on its first tasks: all of the tasks take `kmeta reproduce all --check`."""
    assert check_again(name) == []


@pytest.mark.slow
def test_a_kept_learner_scores_the_same_in_its_first_setting():
    assert check_again("mann-omniglot-5way", settings=1) == []


def check_again(name, settings=None):
    from kmeta.runs.reproducing import check

    if not os.environ.get("KMETA_DATA"):
        pytest.skip("needs Omniglot in the folder that KMETA_DATA names")
    return check(ROOT / "results" / name, quick=True, settings=settings, verbose=0)


def test_a_row_says_what_was_reached_and_by_how_many_steps():
    records = dict.fromkeys(REPRODUCTIONS)
    records[NAME] = made_up(NAME)
    records[f"{NAME}-seed2"] = made_up(f"{NAME}-seed2", 0.98)
    lines = table(records)
    start = f"| `{NAME}` | 5-way 1-shot | trainval / test | running | 98.8 |"
    assert (
        f"{start} 98.77 ± 0.12 (seed 2: 98.00 ± 0.12) | 15,000 | 1.3 | A card, then CPU |" in lines
    )
    assert len(lines) == 3 and "seed2" not in lines[2]
    lines = table(records, every=True)
    absent = "`maml-omniglot-5way-1shot` | 5-way 1-shot | random-trainval / random-test | batch"
    assert f"| {absent} | 98.7 | not trained yet | 0 of 60,000 |  |  |" in lines
    mann = next(line for line in lines if line.startswith("| `mann-omniglot-5way`"))
    assert "instance 2 / 10" in mann and "| 82.8 / 98.1 | not trained yet |" in mann
    records[NAME] = made_up(NAME, made=9000)
    assert any("| 9,000 of 15,000, unfinished |" in line for line in table(records))


def test_every_score_has_a_row_and_every_published_instance():
    mann = "mann-omniglot-5way"
    score = {
        "tasks": {"way": 5, "shot": 10, "split": "random-test"},
        "options": {},
        "instances": [[n / 100, 0.001] for n in range(1, 11)],
        "published": {"2": 0.828, "10": 0.981},
        "interval": 0.001,
        "bn_mode": "running",
    }
    runs = {"tasks": None, "options": {}, "published": 0.137, "error": 0.0975, "interval": 0.03}
    packaged = REPRODUCTIONS["prototypical-omniglot"].recipe.to_dict()
    records = {
        **dict.fromkeys(REPRODUCTIONS),
        NAME: made_up(NAME),
        mann: made_up(NAME, name=mann, scores=[score]),
        "prototypical-omniglot": made_up(
            NAME, recipe=packaged, scores=[{**runs, "bn_mode": "running"}]
        ),
    }
    lines = table(records, every=True)
    assert sum(f"`{NAME}`" in line for line in lines) == 2
    assert any("5-way, instance 2 |" in line and "| 2.00 ± 0.10 |" in line for line in lines)
    assert any("instance 10 |" in line and "| 98.1 | 10.00 ± 0.10 |" in line for line in lines)
    assert any("runs | running | 13.7 error | 9.75 ± 3.00 error |" in line for line in lines)


def test_tables_take_the_place_of_what_was_between_their_markers(tmp_path, capsys):
    (tmp_path / "results" / NAME).mkdir(parents=True)
    write_json(tmp_path / "results" / NAME / "result.json", made_up(NAME))
    page = tmp_path / "page.md"
    page.write_text(
        f"Before\n<!-- results -->\nold\n{END}\nafter\n<!-- results: every setting -->\n{END}"
    )
    command = ["results", str(page), "--results", str(tmp_path / "results")]
    assert main([*command, "--check"]) == 2
    assert "is not what the results say" in capsys.readouterr().err
    assert main(command) == 0
    text = page.read_text()
    assert text.startswith("Before\n<!-- results -->\n") and f"{END}\nafter\n" in text
    assert "old" not in text and text.count(f"`{NAME}`") == 3
    assert main([*command, "--check"]) == 0
    (tmp_path / "results" / NAME / "result.json").write_text(json.dumps(made_up(NAME, 0.5)))
    assert main([*command, "--check"]) == 2
    for content, message in (("none", "There is no marker"), ("<!-- results -->\n", "has no <!--")):
        page.write_text(content)
        capsys.readouterr()
        assert main(command) == 2
        assert message in capsys.readouterr().err
    assert main(["results", str(page), "--results", str(tmp_path / "none")]) == 2


def test_results_that_are_damaged_are_told_in_one_line(tmp_path, capsys):
    (tmp_path / NAME).mkdir()
    page = tmp_path / "page.md"
    page.write_text(f"<!-- results -->\n{END}\n")
    for content in ("", "[]", "{}", '{"scores": []}', json.dumps(made_up(NAME, scores=[{}]))):
        (tmp_path / NAME / "result.json").write_text(content)
        assert main(["results", str(page), "--results", str(tmp_path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
