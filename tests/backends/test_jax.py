"""JAX, in a process that has no TensorFlow, does what TensorFlow does."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from backends.one_update import (
    AT_ONCE,
    CONVOLUTIONS,
    convolved,
    glyph_recipe,
    one_update,
    tasks,
)
from keras import ops
from processes import ended, free_ports
from specimens import SPECIMENS

import kmeta.runs

pytest.importorskip("jax", reason="jax is not installed: pip install kmeta[jax]")
TESTS = Path(__file__).parents[1]
WITHOUT_TENSORFLOW = """
import runpy, sys

class Missing:
    def find_spec(name, path=None, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

TOLERANCE = {"LSTMMetaLearner": 5e-4}  # it sees logarithms of gradients, rounding and all
QUICK = {"SiameseNetwork"}


def started(script, *arguments):
    """A process of JAX that has no TensorFlow."""
    program = [sys.executable, "-c", WITHOUT_TENSORFLOW, TESTS / "backends" / script]
    path = os.pathsep.join([str(TESTS), *sys.path])
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": path}
    return subprocess.Popen(
        [*program, *map(str, arguments)], env=environment, stderr=subprocess.PIPE, text=True
    )


def run_on_jax(folder, names):
    """Let `one_update.py` fill the folder."""
    ended(started("one_update.py", folder, *names))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    run_on_jax(folder, sorted(QUICK))
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jax")
    run_on_jax(folder, sorted(set(SPECIMENS) - QUICK))
    return folder


def assert_same_update(folder, name):
    _, here = one_update(name)
    for file in [name, f"{name}-at-once"] if name in AT_ONCE else [name]:
        with np.load(folder / f"{file}.npz") as there:
            assert_close(name, there, here)


def assert_close(name, there, here):
    assert sorted(there) == sorted(here)
    largest = max(abs(x).max(initial=0) for key, x in here.items() if key.startswith("weight"))
    for key, value in here.items():
        # biases before batch normalisation have a gradient of zero, but for rounding: that of
        # sums in another order, some 1e-6 of the largest gradient
        scale = max(abs(value).max(initial=0), largest / 20)
        atol = TOLERANCE.get(name, 2e-4) * scale
        np.testing.assert_allclose(there[key], value, atol=atol, rtol=0, err_msg=key)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_one_update_is_that_of_tensorflow(quick, name):
    assert_same_update(quick, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(SPECIMENS) - QUICK))
def test_one_update_of_the_others_is_that_of_tensorflow(others, name):
    assert_same_update(others, name)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_products_off_a_cpu_are_convolutions(quick, name):
    with np.load(quick / "products.npz") as there:
        expected = ops.convert_to_numpy(convolved(**CONVOLUTIONS[name]))
        np.testing.assert_allclose(there[name], expected, atol=1e-4)


def test_a_learner_trained_quick_is_exported_here(quick, tmp_path):
    learner = keras.models.load_model(quick / "SiameseNetwork.keras")
    expected, _ = one_update("SiameseNetwork")  # the same step
    episode, _ = tasks()
    np.testing.assert_allclose(
        ops.convert_to_numpy(learner(episode)), ops.convert_to_numpy(expected(episode)), atol=1e-4
    )
    classifier = learner.adapt(episode.support.x[0], episode.support.y[0].argmax(-1))
    assert kmeta.export(classifier, tmp_path / "bundle").onnx_difference < 1e-5


@pytest.mark.slow
def test_a_run_begun_there_goes_on_here(tmp_path):
    run_on_jax(tmp_path, [])
    run = kmeta.runs.Run(tmp_path / "run")
    there = run.log_path.read_text()
    assert there.count("\n") == 3  # a head, and two epochs
    with pytest.warns(UserWarning, match="other library versions"):
        kmeta.runs.train(glyph_recipe(), run.path, resume=True, verbose=0)
    assert ["jax" in machine for machine in run.config["machines"]] == [True, False]
    assert run.log_path.read_text().startswith(there + "2,")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["maml", "prototypical"])
def test_two_processes_of_keras_distribution_end_with_the_weights_of_one(tmp_path, name):
    (port,) = free_ports(1)
    ended(started("train_shard.py", tmp_path / "one", name))
    ended(*[started("train_shard.py", tmp_path / f"{i}", name, i, port) for i in range(2)])
    one, *both = (np.load(tmp_path / f"{which}.npz") for which in ("one", 0, 1))
    for two in both:
        for key in one.files:
            np.testing.assert_allclose(two[key], one[key], atol=1e-5)
