"""Checks of the networks that learners are given."""

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


def shape_text(image_shape: tuple) -> str:
    """The shape `[items, ...]` of images, for messages."""
    return f"[{', '.join(map(str, ('items', *image_shape)))}]"
