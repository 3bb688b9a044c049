"""Bundles of thousands of pictures: what is kept of each stands once."""

import keras
import numpy as np
import pytest

import kmeta
from kmeta.edge import state
from kmeta.exporting import endpoints, onnx_model, samples, saved_model, warmup

ITEMS = 2 * state.MOST


@pytest.fixture(scope="module")
def classifier():
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten()])
    images = np.random.default_rng(0).random((ITEMS, 4, 4, 1), dtype="float32")
    return kmeta.R2D2(network, many=True).adapt(images, np.arange(ITEMS) * 4 // ITEMS)


@pytest.fixture(scope="module")
def functions(classifier):
    table = endpoints.table(classifier)
    return saved_model.trace({name: table[name] for name in ("serving_default", "classify")})


def test_no_graph_holds_the_pictures(classifier, functions):
    """They are in `state.npz` alone, and no file holds a matrix of zeros and ones."""
    read = {tuple(v.shape) for function in functions.values() for v in function.graph.variables}
    assert read == {(1, 16), (1, 16, 4), (1, 16, 16), (1, 1, 1)}  # the regression
    graphs = endpoints.graphs(classifier)
    for name, largest in (("classifier", 16 * 16), ("classify", 16), ("adapt", 16)):
        graph = onnx_model.convert(graphs[name]).graph
        assert max(np.prod(x.dims, dtype=int) for x in graph.initializer) <= largest


def test_a_few_pictures_try_the_signatures(classifier, functions, tmp_path, monkeypatch):
    whole = samples.state(classifier)
    few = state.few(whole)
    assert len(whole["labels"]) == ITEMS
    assert {len(rows) for rows in few.values()} == {state.MOST}
    assert state.way(few) == 4
    assert (few["embedded"][[0, -1]] == whole["embedded"][[0, -1]]).all()
    pixels = np.zeros((2, 4, 4, 1), "uint8")
    made = samples.make(classifier, functions, pixels)
    assert made["classify/probabilities"].shape == (2, 4)
    written = {}
    monkeypatch.setattr(
        warmup, "_prediction_log", lambda name, inputs: written.update({name: inputs}) or b""
    )
    warmup.save(functions, made["support_labels"], whole, tmp_path)
    sizes = {n: x.tensor_shape.dim[0].size for n, x in written["classify"].items()}
    assert sizes == {"queries": 1, "embedded": state.MOST, "labels": state.MOST}


def test_classes_that_are_left_out_of_a_few_have_no_number():
    few = state.few({"labels": np.array([0, 1, 2, 3, 4])}, 3)
    assert few["labels"].tolist() == [0, 1, 2]
    prototypes = {"prototypes": np.zeros((9, 2))}
    assert state.few(prototypes, 3) is prototypes
