import subprocess
import sys

import pytest

import kmeta.data
from kmeta.data import load


def test_importing_the_package_and_the_sources_is_light():
    code = (
        "import sys, kmeta.data\n"
        "from kmeta.data import Dataset, Limits, load, from_arrays, from_directory\n"
        "from kmeta.data import cifar_fs, glyphs, omniglot, sampler, tfds_source\n"
        "load('glyphs', 'val', drawers=1)\n"
        "print(sorted({'keras', 'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_public_name_loads():
    for name in kmeta.data.__all__:
        assert getattr(kmeta.data, name).__doc__
    assert set(kmeta.data.__all__) <= set(dir(kmeta.data))
    with pytest.raises(AttributeError, match="module 'kmeta.data' has no attribute 'Episode'"):
        kmeta.data.Episode  # noqa: B018


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "omniglt",
            r"one of \['cifar-fs', 'glyphs', 'omniglot'\] or \"tfds:<name>\". "
            "Did you mean 'omniglot'\\? Received: name='omniglt'",
        ),
        ("CIFAR_FS", "Did you mean 'cifar-fs'"),
        ("imagenet", "\"tfds:<name>\". Received: name='imagenet'"),
        (5, "Received: name=5"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        load(name, "train")


def test_unknown_options():
    message = r"Options of 'glyphs' are \['size', 'seed', 'drawers'\]. Received: 'way'"
    with pytest.raises(ValueError, match=message):
        load("glyphs", "val", way=5)
    with pytest.raises(ValueError, match=r"Options of 'tfds:mnist' are \['size', 'channels'\]"):
        load("tfds:mnist", "train", seed=1)


def test_splits_that_are_no_strings():
    for name in ("glyphs", "omniglot", "cifar-fs"):
        with pytest.raises(ValueError, match="`split` must be one of"):
            load(name, ["train"])
        with pytest.raises(ValueError, match="`split` must be one of"):
            load(name, None)
