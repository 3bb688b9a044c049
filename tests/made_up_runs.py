"""Files of the form of the official one-shot runs of Omniglot."""

import io
import zipfile

import numpy as np
from PIL import Image


def made_up_files():
    """20 runs, paper 1 and ink 0: each character a row of its own, tests one pixel lower.

    Item k of run r is class `(k + r) % 20`.
    """
    files = {}
    for run in range(20):
        name = f"run{run + 1:02d}"
        lines = []
        for k in range(20):
            files[f"{name}/training/class{k + 1:02d}.png"] = character(k)
            label = (k + run) % 20
            files[f"{name}/test/item{k + 1:02d}.png"] = character(label, lower=1)
            lines.append(
                f"{name}/test/item{k + 1:02d}.png {name}/training/class{label + 1:02d}.png"
            )
        files[f"{name}/class_labels.txt"] = "\n".join(lines).encode()
    return files


def character(number, lower=0, side=105):
    pixels = np.ones((side, side), bool)
    pixels[5 * number + lower : 5 * number + 4, 10 : 20 + 4 * number] = False
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_zip(path, files, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(prefix + name, data)
