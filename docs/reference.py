"""Build the API reference from the docstrings: `python docs/reference.py [FOLDER]`.

Needs the extra `docs`. Public names of kmeta load on first use; pdoc shows what is loaded.
"""

import argparse
import importlib
from pathlib import Path

import pdoc

import kmeta

# Public beside those that kmeta itself names.
MORE = ("episode", "recipes", "report", "runs")


def load_names():
    """Load all public names, so that they are there to be seen."""
    for name in ("kmeta", *(f"kmeta.{name}" for name in (*kmeta._MODULES, *MORE))):
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            getattr(module, public)


def main():
    """Build the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/reference"))
    arguments = parser.parse_args()
    pdoc.render.configure(docformat="google", footer_text=f"kmeta {kmeta.__version__}")
    load_names()
    more = (f"kmeta.{name}" for name in MORE)
    pdoc.pdoc("kmeta", *more, output_directory=arguments.folder)
    print(arguments.folder / "index.html")


if __name__ == "__main__":
    main()
