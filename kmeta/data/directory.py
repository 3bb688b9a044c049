"""A user's own pictures: a folder, or a zip archive, with one sub-folder a class."""

import os
import warnings
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from kmeta.checks import one_of, true_or_false
from kmeta.data.dataset import Dataset
from kmeta.data.files import LIMITS, FileTree, Limits, decode, looks_like_a_picture
from kmeta.data.pixels import plain, side_lengths, stack, to_array

READABLE = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")
SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")
CLUTTER = ("thumbs.db", "desktop.ini")  # files that Windows leaves
UNREADABLE = (".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".svg", ".ppm", ".pgm")


def from_directory(
    path: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    name: str | None = None,
    skip_unreadable: bool = False,
    limits: Limits = LIMITS,
) -> Dataset:
    """Return the `Dataset` of a folder or ".zip" archive that has one sub-folder for each class.

    PNG, JPEG, GIF (first frame), BMP and WebP are read, whatever their names end in, and HEIC where
    pillow-heif is installed (`pip install kmeta[heic]`); pictures may lie deeper inside their class
    folder, and an archive may hold everything in one folder of its own. Other files and folders
    without pictures are passed over, with a warning; hidden ones and those that systems leave, such
    as "__MACOSX" and "@eaDir", without one. Pictures in other formats are unreadable. Orientation
    marks of cameras are applied, transparent pixels become white. Classes may have unequal counts.

    Args:
        path: of the folder or archive.
        size: side in pixels, or `(height, width)`, to which every picture is resized without regard
            to its proportions; None needs pictures of one size.
        channels: 1 for grey, 3 for colour, None for grey where all pictures are grey, else colour.
        name: of the data set; None takes the folder's.
        skip_unreadable: True leaves out unreadable pictures, with a warning that names them.
        limits: `kmeta.data.Limits` on pixels and on what an archive may unpack to.

    Returns:
        A `Dataset` of uint8 images; the class names are those of the folders.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if there are fewer than two classes, none of a class's pictures can be read, a
            picture is outside the class folders or unreadable, sizes differ and no `size` is given,
            the folder holds `train` and `test` instead of classes, or an archive is unsafe.

    >>> from pathlib import Path
    >>> from PIL import Image
    >>> for name in ("cat", "dog"):
    ...     Path("pets", name).mkdir(parents=True)
    ...     Image.new("RGB", (40, 30)).save(Path("pets", name, "1.png"))
    >>> from_directory("pets", size=32)
    Dataset('pets', 2 images of (32, 32, 3) uint8, 2 classes)
    """
    sides = side_lengths(size)
    one_of("channels", channels, (None, 1, 3))
    skip_unreadable = true_or_false("skip_unreadable", skip_unreadable)
    found = read_classes(
        path, lambda image: to_array(image, sides, channels), skip_unreadable, limits
    )
    title = Path(path).resolve().name.removesuffix(".zip") if name is None else name
    images = stack(found.pictures, found.files)
    return Dataset(images, np.array(found.labels), found.class_names, title)


def check_classes(path, limits=LIMITS):
    """Return `{class: number of its pictures}` of a folder or archive, without reading any.

    Raises as `from_directory`, but for what pictures hold.
    """
    with FileTree(path, limits) as tree:
        classes, _ = _classes(tree)
        return {name: len(files) for name, files in classes.items()}


def pictures_below(tree):
    """Return the names of all pictures in a `kmeta.data.files.FileTree`, in whatever folder.

    Raises:
        ValueError: if there is none.
    """
    found = [file for file in tree.names if _is_picture(tree, file)]
    if not found:
        raise ValueError(f"Expected a folder with pictures. Received: none in {tree.path}")
    return found


class Pictures(NamedTuple):
    """Pictures of a folder: what each was made into, its label and its file; and class names."""

    pictures: list[Any]
    labels: list[int]
    files: list[str]
    class_names: tuple[str, ...]


def read_classes(path, convert, skip_unreadable=False, limits=LIMITS, progress=None):
    """Return the `Pictures` of a folder or archive, each a plain PIL image given to `convert`.

    progress: function of the number of files that were read, and of all.

    Raises as `from_directory`.
    """
    arrays, labels, names, bad = [], [], [], []
    with FileTree(path, limits) as tree:
        classes, passed_over = _classes(tree)
        total, done = sum(map(len, classes.values())), 0
        for label, (folder, files) in enumerate(classes.items()):
            for file in files:
                if progress is not None:
                    progress(done, total)
                done += 1
                try:
                    image = plain(decode(tree.read(file), f"{file} in {path}", limits.max_pixels))
                except ValueError as error:
                    if not skip_unreadable:
                        raise
                    bad.append(str(error))
                    continue
                arrays.append(convert(image))
                labels.append(label)
                names.append(file)
            if not labels or labels[-1] != label:
                raise ValueError(
                    "Every class needs a picture that can be read. "
                    f"Received: none in the folder {folder!r} of {path}"
                )
    if passed_over:
        more = f", and {len(passed_over) - 5} more" if len(passed_over) > 5 else ""
        warnings.warn(
            f"Passed over, as no pictures: {', '.join(passed_over[:5])}{more}", stacklevel=3
        )
    if bad:
        warnings.warn(f"Left out {len(bad)} pictures: {'; '.join(bad)}", stacklevel=3)
    return Pictures(arrays, labels, names, tuple(classes))


def _classes(tree):
    """Return `{class: its picture files}`, sorted by name, and what was passed over."""
    root = _root(tree)
    below = [item[len(root) :] for item in tree.folders if item.startswith(root)]
    classes = {item: [] for item in below if "/" not in item}
    _refuse_splits(tree, classes, below)
    passed_over = []
    for file in tree.names:
        if not _is_picture(tree, file):
            if PurePosixPath(file).name.lower() not in CLUTTER:
                passed_over.append(file)
            continue
        owner, _, rest = file.removeprefix(root).partition("/")
        if not rest or not file.startswith(root):
            raise ValueError(
                "Pictures must lie in the sub-folder of their class. "
                f"Received: {file!r} in {tree.path}"
            )
        classes[owner].append(file)
    empty = [f"{name}/" for name, files in classes.items() if not files]
    passed_over += empty
    classes = {name: files for name, files in classes.items() if files}
    if len(classes) < 2:
        found = f"only {next(iter(classes))!r}" if classes else "none"
        found += f", nothing in {', '.join(empty[:3])}," if empty else ""
        raise ValueError(
            "Argument `path` must have a sub-folder for each of at least two classes, with pictures"
            f". Received: {found} in {tree.path}"
        )
    return classes, passed_over


def _refuse_splits(tree, classes, below):
    """Raise ValueError where the sub-folders are parts of a data set, each with the classes."""
    parts = [name for name in classes if name.lower() in SPLITS]
    deep = {item.split("/")[0] for item in below if item.count("/") == 1}
    if parts and len(parts) == len(classes) and set(parts) <= deep:
        first = next((name for name in parts if "train" in name.lower()), parts[0])
        raise ValueError(
            "Argument `path` must hold classes, and holds parts of a data set: "
            f"{', '.join(parts)}. Give one of them as a folder, such as {first} of {tree.path}; "
            "with `kmeta fit` another one as --test"
        )


def _root(tree):
    """What the names of class folders begin with: the one folder of an archive, or nothing."""
    top = [item for item in tree.folders if "/" not in item]
    nested = any("/" in item for item in tree.folders)
    return f"{top[0]}/" if tree.path.is_file() and len(top) == 1 and nested else ""


def _is_picture(tree, name):
    """By its name or, where that says nothing, by its first bytes."""
    if name.lower().endswith(READABLE + UNREADABLE):
        return True
    try:
        return looks_like_a_picture(tree.read(name, 16))
    except ValueError:
        return False
