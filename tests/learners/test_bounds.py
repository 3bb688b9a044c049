"""A configuration of some bytes asks for no more memory, nor time, than a file may."""

import resource
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

import kmeta
from kmeta.learners import bounds
from kmeta.learners.bounds import bounded
from kmeta.runs import load

SHAPE = (8, 8, 1)


def prototypes(*parts):
    return kmeta.PrototypicalNetwork(keras.Sequential([*parts, layers.Flatten()]))


def functional(operation):
    image = keras.Input(SHAPE)
    return kmeta.PrototypicalNetwork(
        keras.Model(image, keras.ops.mean(operation(image), axis=(1, 2)))
    )


def padded(image):
    return keras.ops.pad(image, ((0, 0), (0, 7), (0, 7), (0, 0)))


def tiled(image):
    return keras.ops.tile(image, (1, 7, 7, 1))


MEAN = layers.GlobalAveragePooling2D
LARGE = {  # how to make a small one, and what makes it large
    "padding": (lambda: prototypes(layers.ZeroPadding2D(((0, 7), (0, 7))), MEAN()), "[0, 7]"),
    "larger": (lambda: prototypes(layers.UpSampling2D(7), MEAN()), '"size": [7, 7]'),
    "resizing": (lambda: prototypes(layers.Resizing(7, 7), MEAN()), '"height": 7, "width": 7'),
    "repeating": (
        lambda: prototypes(MEAN(), layers.RepeatVector(7), layers.GlobalAveragePooling1D()),
        '"n": 7',
    ),
    "an operation": (lambda: functional(padded), "[0, 7]"),
    "another operation": (lambda: functional(tiled), "[1, 7, 7, 1]"),
}


def saved(path, model, changes=()):
    """A model saved, with other texts in its configuration."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = entries["config.json"].decode()
    for old, new in changes:
        assert old in config, config
        config = config.replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**entries, "config.json": config}.items():
            archive.writestr(name, content)
    return path


def adapted(learner):
    return learner.adapt(np.stack([np.zeros(SHAPE, "float32"), np.ones(SHAPE, "float32")]), [0, 1])


def built(learner):
    learner.build(SHAPE)
    return learner


@pytest.mark.parametrize("form", [built, adapted])
@pytest.mark.parametrize("kind", LARGE)
def test_what_layers_make(tmp_path, kind, form):
    make, small = LARGE[kind]
    many = "300000000" if kind == "repeating" else "30000"
    model = form(make())
    assert type(load(saved(tmp_path / "good.keras", model))) is type(model)
    path = saved(tmp_path / "bad.keras", model, [(small, small.replace("7", many))])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="Cannot load .* of one image, from"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB


def test_loading_a_classifier_computes_nothing(tmp_path, monkeypatch):
    path = saved(tmp_path / "good.keras", adapted(prototypes(layers.Conv2D(2, 3))))
    symbols, real = [], layers.Conv2D.call
    monkeypatch.setattr(
        layers.Conv2D, "call", lambda self, x: symbols.append(hasattr(x, "numpy")) or real(self, x)
    )
    load(path)
    assert symbols and not any(symbols)


def test_counts(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_WEIGHTS", 3)
    monkeypatch.setattr(bounds, "MOST_CALLS", 3)
    x = np.ones((1, 4), "float32")
    with bounded(10**6):
        network = keras.Sequential([layers.Dense(3, use_bias=False)])
        network(x)
        with pytest.raises(ValueError, match="more than 3 calls"):
            [network(x) for _ in range(3)]
    network(x)  # no longer
    with bounded(10**6), pytest.raises(ValueError, match="more than 3 weights"):
        [layers.Dense(3).build((None, 4)) for _ in range(2)]
    with bounded(100), pytest.raises(ValueError, match="more than 100 bytes of weights"):
        layers.Dense(9, use_bias=False).build((None, 4))
    layers.Dense(9).build((None, 4))


@pytest.mark.parametrize(
    ("model", "small", "large"),
    [
        (
            lambda: kmeta.MatchingNetwork(
                layers.Flatten(), layers.Flatten(), full_context=True, read_steps=2
            ),
            '"read_steps": 2',
            '"read_steps": 2000000000',
        ),
        (
            lambda: kmeta.MetaNetwork(kmeta.layers.AugmentedConvNet(2, 1, 2, 1), units=3),
            '"blocks": 2',
            '"blocks": 2000000000',
        ),
    ],
)
def test_loops_are_short(tmp_path, model, small, large):
    path = saved(tmp_path / "bad.keras", built(model()), [(small, large)])
    with pytest.raises(ValueError, match="Cannot load .* must be an integer from 1 to"):
        load(path)


def test_unrolled_loops_end(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "MOST_CALLS", 100)
    unrolled = layers.SimpleRNN(1, unroll=True)
    model = adapted(prototypes(MEAN(), layers.RepeatVector(7), unrolled))
    load(saved(tmp_path / "good.keras", model))
    with pytest.raises(ValueError, match="(?s)Cannot load .*more than 100 calls"):
        load(saved(tmp_path / "bad.keras", model, [('"n": 7', '"n": 107')]))
