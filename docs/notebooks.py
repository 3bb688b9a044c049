"""Run the notebooks and keep what they print: `python docs/notebooks.py [NOTEBOOK ...]`.

Without arguments all of `notebooks/`. What goes to standard error, the chatter of TensorFlow's
start, is left out. A notebook with an error stays as it was.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def executed(path):
    """The notebook at `path` after running all its cells from top to bottom, in its folder."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the time of day
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    return notebook


def main(paths):
    """Run notebooks one after the other and write them."""
    for path in map(Path, paths or sorted(FOLDER.glob("*.ipynb"))):
        print(path, flush=True)
        nbformat.write(executed(path), path)


if __name__ == "__main__":
    main(sys.argv[1:])
