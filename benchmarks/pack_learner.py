"""Pack the learner of a finished run into the package: `pack_learner.py RUN NAME`.

Without the state of its optimizer, which is two thirds of the file.
"""

import hashlib
import json
import sys
from pathlib import Path

import kmeta
import kmeta.weights
from kmeta.runs import Run


def main(run, name):
    """Write `NAME.keras` and `NAME.json` to `kmeta/weights/`."""
    run = Run(run)
    learner = kmeta.load(run.path).with_options()
    file = Path(kmeta.weights.__file__).with_name(f"{name}.keras")
    learner.save(file)
    content = file.read_bytes()
    about = {
        "recipe": run.recipe.to_dict(),
        "result": json.loads((run.path / "result.json").read_text(encoding="utf-8")),
        "light_on_dark": run.recipe.data in ("omniglot", "glyphs"),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "versions": run.config["versions"],
    }
    file.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    print(f"{file}: {len(content) / 1e3:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
