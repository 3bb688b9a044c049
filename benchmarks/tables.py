"""The tables of docs/benchmarks.md, of what was measured: `python benchmarks/tables.py`.

Each stands between `<!-- NAME -->` and `<!-- end of NAME -->`, and is made from
`benchmarks/measured/NAME.json`, which the program NAME.py writes. With `--check` nothing is
written, and the exit code is 1 where the page is not what the files say.
"""

import argparse
import json
import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "benchmarks.md"
MEASURED = pathlib.Path(__file__).with_name("measured")
PEERS = {
    "Eager": ("loop", "eager"),
    "`torch.func`": ("func",),
    "`torch.compile`": ("compile",),
    "Channels last": ("channels_last",),
    "easyfsl": ("easyfsl",),
}
NONE = "-"


def main():
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if not so")
    check = parser.parse_args().check
    text = PAGE.read_text(encoding="utf-8")
    page = rendered(text)
    if not check:
        PAGE.write_text(page, encoding="utf-8")
    return int(check and page != text)


def rendered(text, folder=MEASURED):
    """The page with its tables made from the files in `folder`."""

    def section(found):
        name = found[1]
        file = folder / f"{name}.json"
        if not file.is_file():
            return f"<!-- {name} -->\n\nNot measured yet.\n\n<!-- end of {name} -->"
        lines = TABLES[name](json.loads(file.read_text(encoding="utf-8")))
        return "\n".join([f"<!-- {name} -->", "", *lines, "", f"<!-- end of {name} -->"])

    return re.sub(r"<!-- ([\w-]+) -->\n.*?<!-- end of \1 -->", section, text, flags=re.DOTALL)


def table(head, rows):
    """Lines of Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def condition(record):
    """One line on the machine and versions of a record."""
    machine, peers = record["machine"], record.get("peers", {})
    found = [machine["hardware"], f"TensorFlow {machine['tensorflow']}"]
    found += [f"PyTorch {peers['torch']}", f"easyfsl {peers['easyfsl']}"] if peers else []
    return f"{', '.join(found)}."


def peers_table(record):
    """How many times as long as kmeta the others take."""
    rows = []
    for name, row in record["learners"].items():
        ratios = [
            next((f"{row['peers'][v]['ratio']:.2f}" for v in kinds if v in row["peers"]), NONE)
            for kinds in PEERS.values()
        ]
        first = f"{row['kmeta_first']:.0f} / {row['peers']['compile']['first']:.0f}"
        time = f"{1e3 * row['kmeta_seconds']:.0f}"
        rows.append([name, time, f"{100 * row['share']:.0f} %", *ratios, first])
    head = ("Learner", "kmeta, ms a step", "Share of the matrix rate", *PEERS)
    head += ("First step, s: kmeta / `torch.compile`",)
    return [*table(head, rows), "", condition(record)]


def sampling_table(record):
    """Tasks a second."""
    rates = record["tasks_per_second"]
    rows = [
        [name, f"{rate:,.0f}", f"{rate / rates['easyfsl']:.1f}"] for name, rate in rates.items()
    ]
    head = ("Sampler", "Tasks a second", "Times easyfsl's")
    return [*table(head, rows), "", condition(record)]


def edge_table(record):
    """Milliseconds of predictions."""
    rows = []
    for row in record["rows"]:
        ours, bare, theirs = row["milliseconds"].values()
        numbers = (f"{ours:.2f}", f"{ours / bare:.2f}", f"{ours / theirs:.2f}")
        rows.append([f"`{row['learner']}`", str(row["pictures"]), *numbers])
    head = ("Learner", "Pictures at once", "kmeta-edge, ms")
    head += ("Times as long as onnxruntime alone", "Times as long as TensorFlow")
    return [*table(head, rows), "", condition(record)]


def jax_table(record):
    """Steps a second."""
    rows = []
    for name, row in record["learners"].items():
        rates = [row["kmeta"], row["plain"]]
        rows.append([name, *(f"{rate:.0f}" for rate in rates), f"{rates[0] / rates[1]:.2f}"])
    machine = f"{record['device']}, JAX {record['jax']}, precision {record['precision']}."
    head = ("Learner", "kmeta, steps/s", "Plain JAX, steps/s", "Ratio")
    return [*table(head, rows), "", machine]


TABLES = {
    "peers": peers_table,
    "sampling": sampling_table,
    "edge": edge_table,
    "jax_steps-h100": jax_table,
    "jax_steps-h200": jax_table,
}

if __name__ == "__main__":
    sys.exit(main())
