"""Tables of the results in `results/`, for README.md and docs/results.md. Needs no Keras."""

import re
from pathlib import Path

from kmeta.recipes.recipe import Recipe
from kmeta.recipes.reproductions import REPRODUCTIONS
from kmeta.runs.folder import read_json

BEGIN = {"<!-- results -->": "main", "<!-- results: every setting -->": "every"}
END = "<!-- end of results -->"
HEAD = ("System", "Setting", "Split", "Statistics", "Paper", "Reached", "Steps", "Hours", "On")
INSTANCES = (2, 10)  # of a sequence, that the table of systems shows
NOT_YET = "not trained yet"
RUNS = "official one-shot runs"


def rendered(text, folder, page="the page"):
    """Return a page with the tables between its markers made from the results in `folder`.

    Markers are `<!-- results -->` for a row a system and `<!-- results: every setting -->` for a
    row a score; either ends with `<!-- end of results -->`.

    Raises ValueError, naming `page`, where a marker has no end, or there is none.
    """
    records = read_results(folder)
    starts = "|".join(map(re.escape, BEGIN))
    parts = re.split(f"({starts})\n", text)
    if len(parts) == 1:
        raise ValueError(f"There is no marker in {page}: {' or '.join(BEGIN)}")
    page = [parts[0]]
    for marker, rest in zip(parts[1::2], parts[2::2], strict=True):
        _, end, after = rest.partition(END)
        if not end:
            raise ValueError(f"The marker {marker} in {page} has no {END}")
        lines = table(records, every=BEGIN[marker] == "every")
        page += [marker, "\n\n", "\n".join(lines), "\n\n", END, after]
    return "".join(page)


def read_results(folder):
    """Return `{name: result, None where there is none}` of all reproductions."""
    paths = {name: Path(folder, name, "result.json") for name in REPRODUCTIONS}
    return {name: read_result(path) if path.is_file() else None for name, path in paths.items()}


def read_result(path):
    """Return what a `result.json` holds; raises ValueError where it is no whole result."""
    record = read_json(path)
    try:
        Recipe.from_dict(record["recipe"])
        if list(_all_rows(record["name"], record)):
            return record
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is not a result of a reproduction: {error!r}") from error
    raise ValueError(f"{path} is not a result of a reproduction: it has no scores")


def table(records, every=False):
    """Return the lines of a Markdown table of `{name: result or None}`.

    every: a row for each score of each training, and for each that has none yet; else one for each
        system that has been trained, with the scores of its other seeds beside it.
    """
    lines = [HEAD, ("---",) * len(HEAD)]
    for name, record in records.items():
        reproduction = REPRODUCTIONS[name]
        if not every and reproduction.seed_of is not None:
            continue
        if record is None:
            lines += [_absent(reproduction)] if every else []
            continue
        others = [r for r in records.values() if r is not None and r["seed_of"] == name]
        lines += _all_rows(name, record) if every else [_main_row(name, record, others)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def label(record):
    """Return one line on the setting of a score."""
    if record["tasks"] is None:
        return RUNS
    tasks, options = record["tasks"], dict(record["options"])
    options.pop("bn_mode", None)
    kind = f"{tasks['way']}-way {tasks['shot']}-shot"
    if record["instances"]:
        kind = f"{tasks['way']}-way, instances 1 to {tasks['shot']}"
    steps = options.pop("test_inner_steps", None)
    steps = "" if steps is None else f", {steps} inner step{'s' if steps > 1 else ''}"
    more = "".join(f", {name}={value}" for name, value in options.items())
    return f"{kind}{steps}{more}"


def shown(record):
    """Return a score as one line."""
    interval = float("nan") if record["interval"] is None else 100 * record["interval"]
    mode = f"bn_mode={record['bn_mode']}"
    if record["tasks"] is None:
        return f"{100 * record['error']:.2f} % +- {interval:.2f} error ({mode})"
    accuracy = 100 * record["accuracy"]
    return f"{accuracy:.2f} % +- {interval:.2f} ({record['episodes']} tasks, {mode})"


def _row(name, record, kept, instances=None):
    tasks = kept["tasks"]
    kind, (published, reached) = label(kept), _numbers(kept, instances)
    if instances:
        kind = f"{tasks['way']}-way, instance {' / '.join(map(str, instances))}"
    made, planned = record["steps"]["made"], record["steps"]["of"]
    steps = f"{made:,}" if made >= planned else f"{made:,} of {planned:,}, unfinished"
    return [
        f"`{name}`",
        kind,
        f"{record['recipe']['train']['split']} / {tasks['split'] if tasks else 'runs'}",
        kept["bn_mode"],
        published,
        reached,
        steps,
        f"{record['hours']:.1f}",
        _machines(record),
    ]


def _all_rows(name, record):
    """A row for each score; of sequences one for each instance with a published accuracy."""
    for kept in record["scores"]:
        for instance in map(int, kept["published"] if kept.get("instances") else ()):
            yield _row(name, record, kept, (instance,))
        if not kept.get("instances"):
            yield _row(name, record, kept)


def _main_row(name, record, others):
    """The row of a system: its first score, with those of its other seeds."""
    first = record["scores"][0]
    row = _row(name, record, first, INSTANCES if first.get("instances") else None)
    seeds = [f"{o['recipe']['seed']}: {_numbers(o['scores'][0], None)[1]}" for o in others]
    row[5] += f" (seed {', '.join(seeds)})" if seeds else ""
    return row


def _absent(reproduction):
    recipe, setting = reproduction.recipe, reproduction.settings[0]
    tasks, published = setting.tasks, setting.published
    if isinstance(published, dict):
        published = " / ".join(percent(published[n]) for n in INSTANCES)
    else:
        published = percent(published)
    kind = f"{tasks.way}-way {tasks.shot}-shot" if tasks else RUNS
    if isinstance(setting.published, dict):
        kind = f"{tasks.way}-way, instance {' / '.join(map(str, INSTANCES))}"
    return [
        f"`{reproduction.name}`",
        kind,
        f"{recipe.train.split} / {tasks.split if tasks else 'runs'}",
        setting.options.get("bn_mode", recipe.learner_options.get("bn_mode", "none")),
        published,
        NOT_YET,
        f"0 of {recipe.epochs * recipe.train.steps:,}",
        "",
        "",
    ]


def _machines(record):
    """Where it was trained, in a few words: one after the other."""
    names = [machine["hardware"].split(",")[0] for machine in record["machines"]]
    return ", then ".join(dict.fromkeys(names))


def _numbers(kept, instances):
    """The published and the reached figures of a score, in %, as text."""
    half = kept["interval"]
    if kept["tasks"] is None:
        published = percent(kept["published"])
        return published and f"{published} error", f"{_interval(kept['error'], half)} error"
    if not instances:
        return percent(kept["published"]), _interval(kept["accuracy"], half)
    published = [percent(kept["published"][str(n)]) for n in instances]
    return " / ".join(published), " / ".join(
        _interval(*kept["instances"][n - 1]) for n in instances
    )


def percent(share):
    """Return a share, 0 to 1, in % with one digit; of None, nothing."""
    return "" if share is None else f"{100 * share:.1f}"


def _interval(mean, half):
    return f"{100 * mean:.2f} ± {100 * half:.2f}" if half is not None else f"{100 * mean:.2f}"
