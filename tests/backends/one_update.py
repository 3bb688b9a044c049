"""What every learner answers and learns in one step from given weights, on either backend.

As a program, `one_update.py FOLDER LEARNER...`, without TensorFlow: saves that for JAX, with the
learners themselves. `one_update.py FOLDER`: trains a run in the folder.
"""

import contextlib
import sys
from pathlib import Path
from unittest import mock

import keras
import numpy as np
from keras import ops
from specimens import SIZE, SPECIMENS, WAY

import kmeta.runs
from kmeta import Episode, Support
from kmeta.runs.checkpoint import Checkpoint

AT_ONCE = {"MAML", "LSTMMetaLearner", "MetaNetwork"}  # off a CPU


def tasks(count=3, shot=2, query=3):
    rng = np.random.default_rng(0)
    patterns = rng.random((count, WAY, 1, SIZE, SIZE, 1))

    def draw(per_class):
        x = patterns + 0.3 * rng.normal(size=(count, WAY, per_class, SIZE, SIZE, 1))
        return x.clip(0, 1).astype("float32").reshape(count, WAY * per_class, SIZE, SIZE, 1)

    y = np.tile(np.eye(WAY, dtype="float32").repeat(shot, axis=0), (count, 1, 1))
    query_y = np.tile(np.arange(WAY).repeat(query), (count, 1)).astype("int32")
    return Episode(Support(draw(shot), y), draw(query)), query_y


def given_weights(learner):
    """Set all weights to numbers that do not depend on the backend."""
    rng = np.random.default_rng(5)
    for weight in learner.weights:
        if weight.dtype == "int32":
            continue
        value = 0.2 * rng.normal(size=weight.shape)
        if "variance" in weight.path or "second_moment" in weight.path:
            value = abs(value) + 0.5
        elif "gamma" in weight.path:
            value += 1.0
        weight.assign(value)


def one_update(name):
    """The learner, and `{"logits", "loss", "weight_0", ...}` with the weights as they changed."""
    learner = SPECIMENS[name].make()
    learner.build((SIZE, SIZE, 1))
    given_weights(learner)
    episode, query_y = tasks()
    found = {"logits": ops.convert_to_numpy(learner(episode))}
    learner.compile(keras.optimizers.SGD(0.1))
    before = learner.get_weights()
    found["loss"] = np.float64(learner.train_on_batch(episode, query_y)[0])
    for i, (old, new) in enumerate(zip(before, learner.get_weights(), strict=True)):
        found[f"weight_{i}"] = new - old
    return learner, found


def refuses_bad_pixels(learner):
    """Whether a classifier of a learner says what is wrong with its images."""
    episode, _ = tasks()
    classifier = learner.adapt(episode.support.x[0], episode.support.y[0].argmax(-1))
    try:
        classifier(np.full((1, SIZE, SIZE, 1), np.nan, "float32"))
    except ValueError as error:
        return "images" in str(error)
    return False


def glyph_recipe():
    """A small training of three epochs, validated and scored as those of papers."""
    few = {"way": 3, "shot": 1, "query": 2, "tasks_per_step": 2, "steps": 3}
    return kmeta.recipes.Recipe(
        learner="reptile",  # it has a seed, whose numbers have no sign on JAX
        learner_options={"inner_steps": 2, "inner_batch": 2, "test_inner_steps": 2},
        data="glyphs",
        network={"filters": 4},
        train=kmeta.recipes.Tasks("train", **few),
        val=kmeta.recipes.Tasks("val", **few),
        test=kmeta.recipes.Tasks("test", **few),
        epochs=3,
    )


def train_two_epochs(path):
    """Train by the recipe until somebody presses Ctrl-C in the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt
        started(self, epoch, logs)

    started = Checkpoint.on_epoch_begin
    Checkpoint.on_epoch_begin = on_epoch_begin
    with contextlib.suppress(KeyboardInterrupt):
        kmeta.runs.train(glyph_recipe(), path, verbose=0)


CONVOLUTIONS = {
    "same, even steps": {"size": (3, 3), "strides": 2, "padding": "same"},
    "same, every pixel": {"size": (4, 3), "strides": 1, "padding": "SAME"},
    "valid": {"size": (3, 5), "strides": (1, 2), "padding": "valid"},
    "valid, steps longer than kernels": {"size": (2, 1), "strides": (3, 2), "padding": "valid"},
    "with holes": {"size": (2, 2), "strides": 1, "padding": "valid", "dilation_rate": 2},
    "in groups": {"size": (3, 3), "strides": 1, "padding": "same", "groups": 3},
}


def convolved(size, groups=1, **options):
    """Two images of 7 by 8 pixels, convolved by a kernel."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, 7, 8, 6)).astype("float32")
    kernel = rng.normal(size=(*size, 6 // groups, 9)).astype("float32")
    return ops.conv(images, kernel, **options)


def save_products(path):
    """Save convolutions as JAX makes them off a CPU, where those of images are products."""
    import jax

    from kmeta.ops.differentiation.jax.products import convolutions_as_products

    with convolutions_as_products():
        made = {name: convolved(**options) for name, options in CONVOLUTIONS.items()}
        for name, options in CONVOLUTIONS.items():
            program = str(jax.make_jaxpr(lambda options=options: convolved(**options))())
            assert ("conv_general_dilated" in program) == (name in ("with holes", "in groups"))
    np.savez(path, **made)


if __name__ == "__main__":
    from kmeta.ops.differentiation.jax import loops

    folder, learners = Path(sys.argv[1]), sys.argv[2:]
    save_products(folder / "products.npz")
    for name in learners:
        learner, found = one_update(name)
        np.savez(folder / f"{name}.npz", **found)
        if name in AT_ONCE:
            with mock.patch.object(loops, "one_after_the_other", return_value=False):
                np.savez(folder / f"{name}-at-once.npz", **one_update(name)[1])
        learner.save(folder / f"{name}.keras")
    if learners:
        assert refuses_bad_pixels(learner)
    else:
        train_two_epochs(folder / "run")
    assert "tensorflow" not in sys.modules
