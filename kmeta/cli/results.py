"""`kmeta results`: the tables of results in README.md and docs/results.md."""

from pathlib import Path

PAGES = ("README.md", "docs/results.md")


def add_parser(commands):
    """Add the command to a parser's sub-commands."""
    parser = commands.add_parser(
        "results",
        help="write the tables of results into pages",
        description="Make the tables of results, from what `kmeta reproduce` wrote, between the "
        "markers of Markdown pages: `<!-- results -->` for a row a system, `<!-- results: every "
        "setting -->` for a row a score, either up to `<!-- end of results -->`.",
    )
    parser.add_argument("pages", metavar="PAGE", nargs="*", help=f"(default: {', '.join(PAGES)})")
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="where results are (default: results)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a page is not as it must be"
    )
    return parser


def run(arguments):
    """Run the command."""
    from kmeta.placing import replaced
    from kmeta.runs.results_table import rendered

    if not Path(arguments.results).is_dir():
        raise FileNotFoundError(f"No such folder: {arguments.results}")
    for page in map(Path, arguments.pages or PAGES):
        old = page.read_text(encoding="utf-8")
        new = rendered(old, arguments.results, page)
        if arguments.check and new != old:
            raise ValueError(f"{page} is not what the results say; write it with: kmeta results")
        if new != old:
            with replaced(page) as temporary:
                temporary.write_text(new, encoding="utf-8")
        print(f"{page}: {'as it was' if new == old else 'written'}")
