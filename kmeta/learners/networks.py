"""What learners check of the networks and arguments they are given."""

import functools
import inspect
from typing import Any

import keras

from kmeta.episode import Support


def check_layer(name: str, value: Any, or_none: bool = False) -> None:
    """Raise ValueError unless an argument is a Keras layer or model."""
    if not isinstance(value, keras.Layer) and not (or_none and value is None):
        also = ", or None" if or_none else ""
        raise ValueError(
            f"Argument `{name}` must be a Keras layer or model{also}. Received: {name}={value!r}"
        )


def check_way(outputs: int | None, support: Support) -> None:
    """Raise ValueError unless a network has as many outputs as a `Support` has classes."""
    if outputs != support.y.shape[-1]:
        raise ValueError(
            f"The network predicts {outputs} classes, but the support set has "
            f"{support.y.shape[-1]}. Give the network as many outputs as the tasks have classes"
        )


def check_vectors(feature_shape: tuple) -> None:
    """Raise ValueError unless an embedding gives one vector of features for each image."""
    if len(feature_shape) != 1:
        raise ValueError(
            "Argument `embedding` must give one vector of features for each image, "
            f"{shape_text('batch', 'features')}. Received: an embedding whose output has the "
            f"shape {(None, *feature_shape)}"
        )


def shape_text(*sizes: Any) -> str:
    """A shape as in messages, `[items, 28, 28, 1]`."""
    return f"[{', '.join(map(str, sizes))}]"


@functools.cache
def options_of(kind: type) -> frozenset[str]:
    """Names of the arguments of a learner's constructor."""
    return frozenset(inspect.signature(kind.__init__).parameters)
