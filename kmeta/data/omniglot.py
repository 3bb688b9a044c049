"""Omniglot: 1623 handwritten characters of 50 alphabets, 20 drawings each (Lake et al. 2015)."""

import numpy as np
from PIL import Image

from kmeta.checks import one_of, seed_number, true_or_false, whole_number
from kmeta.data import split_lists, tfds_source
from kmeta.data.dataset import Dataset
from kmeta.data.files import FileTree, decode, find, places

SIDE = 105
DRAWINGS = 20
HALVES = {
    "images_background": split_lists.OMNIGLOT_BACKGROUND,
    "images_evaluation": split_lists.OMNIGLOT_EVALUATION,
}
SPLITS = (
    *("train", "val", "trainval", "test", "background", "evaluation"),
    *("random-train", "random-val", "random-trainval", "random-test"),
)
RANDOM = {"train": (0, 1100), "val": (1100, 1200), "trainval": (0, 1200), "test": (1200, 1623)}


def load(split, data_dir=None, size=28, antialias=False, invert=False, seed=0, download=True):
    """Return a split of Omniglot: images uint8 `[n, size, size, 1]`, ink 255 on paper 0.

    Reads the official `images_background.zip` and `images_evaluation.zip`, or the folders unpacked
    from them, in `data_dir`, `data_dir/omniglot`, `$KMETA_DATA` or `$KMETA_DATA/omniglot`. Where a
    file is missing it is downloaded by tensorflow-datasets, into `data_dir` if given.

    Args:
        split: "train", "val", "trainval" or "test": 1028, 172, 1200 and 423 characters, the lists
            of Vinyals et al. (2016) as Snell et al. (2017) published them;
            "background" or "evaluation": 964 and 659 characters, the halves of Lake et al. (2015);
            "random-train", "random-val", "random-trainval" or "random-test": 1100, 100, 1200 and
            423 characters at random by `seed`, as in Finn et al. (2017).
        data_dir: folder to look in before `$KMETA_DATA`.
        size: side in pixels; None keeps 105.
        antialias: False samples the nearest pixel and stays binary, as the published results did;
            True resizes with a Lanczos filter, with grey values; "mixed" takes turns, for a learner
            that is to know both.
        invert: True gives paper 255 and ink 0, as in the files.
        seed: of the random splits; the others do not depend on it.
        download: False raises FileNotFoundError where a file is missing.

    Returns:
        A `Dataset`, 20 images a class, with classes named "Alphabet/characterNN".

    Raises:
        FileNotFoundError: if `data_dir` is no folder, or files are missing and not downloaded.
        ValueError: if an option is wrong, characters or drawings are missing, or one is damaged.

    Deviations: the random splits are this library's own draw; the papers' are not published.
    """
    chosen = characters(split, seed)
    size = None if size is None else whole_number("size", size)
    one_of("antialias", antialias, (False, True, "mixed"))
    paper_is_white = true_or_false("invert", invert)
    download = true_or_false("download", download)
    halves = _locate(chosen, data_dir)
    if halves is not None:
        drawings = _read(halves, chosen)
    elif download:
        drawings = _downloaded(chosen, data_dir)
    else:
        raise FileNotFoundError(_absent(data_dir))
    images, labels = [], []
    for number, (name, image) in enumerate(drawings):
        images.append(shrink(image, size, number % 2 if antialias == "mixed" else antialias))
        labels.append(name)
    images = np.stack(images)[..., None]
    names, labels = np.unique(labels, return_inverse=True)
    images = images if paper_is_white else 255 - images
    return Dataset(images, labels, tuple(names.tolist()), f"omniglot-{split}")


def characters(split, seed=0):
    """Return the names "Alphabet/characterNN" of a split, sorted; see `load`."""
    one_of("split", split, SPLITS)
    seed = seed_number(seed)
    halves = [_characters(alphabets) for alphabets in HALVES.values()]
    everything = sorted(halves[0] + halves[1])
    if split in ("background", "evaluation"):
        return halves[split == "evaluation"]
    if split.startswith("random-"):
        start, stop = RANDOM[split.removeprefix("random-")]
        order = np.argsort(np.random.default_rng(seed).random(len(everything)), kind="stable")
        return sorted(everything[i] for i in order[start:stop])
    wanted = ("train", "val") if split == "trainval" else (split,)
    return [name for name in everything if _vinyals(name) in wanted]


def _characters(alphabets):
    return sorted(f"{a}/character{i:02d}" for a, n in alphabets.items() for i in range(1, n + 1))


def _vinyals(name):
    alphabet, number = name.split("/character")
    if int(number) in split_lists.VINYALS_TEST_CHARACTERS.get(alphabet, ()):
        return "test"
    held_out = {"val": split_lists.VINYALS_VAL, "test": split_lists.VINYALS_TEST}
    return next((split for split, listed in held_out.items() if alphabet in listed), "train")


def _locate(chosen, data_dir):
    """Return `{half: path}` of the halves that hold the chosen characters; None if one lacks."""
    alphabets = {name.split("/")[0] for name in chosen}
    needed = [half for half, listed in HALVES.items() if alphabets & set(listed)]
    found = find(needed, data_dir, "omniglot")
    return found if len(found) == len(needed) else None


def _absent(data_dir):
    looked = [str(place) for place in places(data_dir, "omniglot")]
    return (
        "No images_background and images_evaluation of Omniglot, neither folders nor zip archives. "
        f"Received: data_dir={data_dir!r}, looked in {looked}"
    )


def _read(halves, chosen):
    """Yield (name, picture) of every drawing of the chosen characters."""
    for half, path in halves.items():
        with FileTree(path) as tree:
            drawings = {}
            for entry in tree.names:
                parts = entry.split("/")
                if entry.endswith(".png") and len(parts) >= 3:
                    drawings.setdefault("/".join(parts[-3:-1]), []).append(entry)
            _check_counts(drawings, half, path)
            for name in sorted(set(chosen) & set(drawings)):
                for entry in drawings[name]:
                    yield name, _checked(decode(tree.read(entry), f"{entry} in {path}"), entry)


def _downloaded(chosen, data_dir):
    """Yield the same out of TensorFlow Datasets, which downloads the files if need be."""
    try:
        builder = tfds_source.prepare("omniglot", data_dir, downloads=True)
    except Exception as error:
        raise FileNotFoundError(
            f"{_absent(data_dir)}. Downloading them failed: {type(error).__name__}: {error}"
        ) from error
    alphabets = builder.info.features["alphabet"].names
    wanted = set(chosen)
    for part in ("train", "test"):
        for item in tfds_source.examples(builder, part):
            name = f"{alphabets[item['alphabet']]}/character{item['alphabet_char_id'] + 1:02d}"
            if name in wanted:
                yield name, _checked(Image.fromarray(item["image"][..., 0]), name)


def _check_counts(drawings, half, path):
    expected = _characters(HALVES[half])
    if sorted(drawings) != expected:
        odd = sorted(set(expected) ^ set(drawings))
        raise ValueError(
            f"{half} must hold {len(expected)} characters. "
            f"Received: {len(drawings)} in {path}; missing or unknown: {odd[:3]}"
        )
    for name in expected:
        if len(drawings[name]) != DRAWINGS:
            raise ValueError(
                f"Every character must have {DRAWINGS} drawings. "
                f"Received: {len(drawings[name])} of {name} in {path}"
            )


def _checked(image, where):
    if image.size != (SIDE, SIDE):
        raise ValueError(f"Drawings must be {SIDE} x {SIDE}. Received: {image.size} of {where}")
    return image


def shrink(image, size, antialias):
    """Return a black-and-white PIL image as uint8 `[size, size]`; `None` keeps its size."""
    if size is not None and antialias:
        image = image.convert("L").resize((size, size), Image.Resampling.LANCZOS)
    elif size is not None:
        image = image.convert("1", dither=Image.Dither.NONE)
        image = image.resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(image.convert("L"))
