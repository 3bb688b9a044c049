"""What a `Classifier` takes: images, and the numbers that make answers of logits."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import is_finite
from kmeta.edge import names
from kmeta.edge.images import ROUNDING
from kmeta.edge.scoring import UNKNOWN
from kmeta.episode import Tensor


def check_images(shape: tuple, dtype: str, image_shape: tuple) -> None:
    """Refuse images `[batch, ...]` of another shape, or that are no numbers in [0, 1]."""
    sides = zip(shape[1:], image_shape, strict=False)
    known = len(shape) == 1 + len(image_shape)
    if not known or not all(side == wanted or None in (side, wanted) for side, wanted in sides):
        raise ValueError(
            f"Argument `images` must have the shape [batch, *{tuple(image_shape)}]. "
            f"Received: images.shape={tuple(shape)}"
        )
    if dtype != "uint8" and not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"Argument `images` must hold floats in [0, 1] or uint8. Received: dtype={dtype}"
        )


def sound(images: Tensor) -> Tensor:
    """Whether all pixels of an image are finite and, but for rounding, in [0, 1]: `[batch]`."""
    axes = tuple(range(1, len(images.shape)))
    if len(axes) == 1:  # vectors are no pictures
        return ops.all(ops.isfinite(images), axis=axes)
    return ops.all((images >= -ROUNDING) & (images <= 1 + ROUNDING), axis=axes)


def check_options(temperature: Any, threshold: Any, familiarity: Any, class_names: Any) -> None:
    """Refuse numbers that make no answers of logits; see `Classifier`."""
    if not is_finite(temperature) or temperature <= 0:
        raise ValueError(
            f"Argument `temperature` must be a positive number. Received: {temperature!r}"
        )
    if not is_finite(threshold) or not 0 <= threshold <= 1:
        raise ValueError(
            f"Argument `threshold` must be a probability, from 0 to 1. Received: {threshold!r}"
        )
    pair = isinstance(familiarity, (tuple, list)) and len(familiarity) == 2
    if not pair or not all(map(is_finite, familiarity)):
        raise ValueError(
            "Argument `familiarity` must be two finite numbers, slope and offset. "
            f"Received: {familiarity!r}"
        )
    if not isinstance(class_names, (list, tuple)):
        raise ValueError(
            f"Argument `class_names` must be a list of names. Received: {class_names!r}"
        )
    names.check_all("class_names", class_names)
    if threshold > 0 and UNKNOWN in class_names:
        raise ValueError(
            f"With a threshold above 0, no class may be called '{UNKNOWN}'. "
            f"Received: class_names={list(class_names)}"
        )
