"""What looks at a user's pictures: trained learners, networks of Keras, networks of the user."""

import difflib
import os
import re
from pathlib import Path
from typing import Any

import keras

from kmeta import weights as packaged
from kmeta.checks import one_of
from kmeta.layers.imagenet import ImageNetScaling
from kmeta.learners.meta_learner import MetaLearner
from kmeta.learners.metric.prototypical import PrototypicalNetwork
from kmeta.learners.metric.r2d2 import R2D2
from kmeta.learners.saved_files import check_weights
from kmeta.ops.views import MOST
from kmeta.runs.loading import load, load_packaged

SIZE = 224  # of the pictures that most networks of keras.applications were trained on
SCALE = 20.0  # of cosines, among which a softmax would hardly tell any apart
HEADS = ("ridge", "prototypes")


def learner_of(
    backbone: Any,
    weights: str | os.PathLike[str] | None = "imagenet",
    size: int | None = None,
    head: str | None = None,
) -> MetaLearner:
    """The learner that a backbone is, or is made into, built for its images.

    A network that is no learner becomes an `R2D2`: ridge regression from its features to the
    classes. Nothing is trained.

    Args:
        backbone: name of a learner that comes with the package (`kmeta.weights.names()`); name of
            a network of `keras.applications`, such as "MobileNetV2"; folder of a run, or a .keras
            file; a learner; or a Keras model, images in [0, 1] to features `[batch, features]`.
        weights: of a network of `keras.applications`: "imagenet", which Keras downloads once, the
            path of a weights file, or None for random ones.
        size: side of the images in pixels, for networks of `keras.applications` (default 224) and
            Keras models that take any size.
        head: "ridge" for `R2D2`, or "prototypes" for a `PrototypicalNetwork` with cosines, on the
            network of a learner too. None leaves a learner as it is.

    Raises:
        ValueError: if there is no such backbone or head, its weights cannot be had, its features
            are no vectors, or `size` is missing, or not the one it was made for.

    Example:
        >>> network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        >>> [type(learner_of(network, head=head)).__name__ for head in ("ridge", "prototypes")]
        ['R2D2', 'PrototypicalNetwork']
    """
    one_of("head", head, (None, *HEADS))
    if isinstance(backbone, (str, Path)):
        backbone = _named(str(backbone), weights, size)
    if not isinstance(backbone, keras.Layer):
        raise ValueError(
            "Argument `backbone` must be a name, a path, a learner or a Keras model. "
            f"Received: {backbone!r}"
        )
    if not isinstance(backbone, MetaLearner):
        backbone = _pooled(backbone, _image_shape(backbone, size))
        learner = _with_head(backbone, head)
        learner.build(_image_shape(backbone, size))
        return learner
    if backbone.image_shape is None:
        raise ValueError(
            "Argument `backbone` must be built: call `learner.build((height, width, channels))`"
        )
    if size not in (None, backbone.image_shape[0]):
        raise ValueError(
            f"Argument `size` must be {backbone.image_shape[0]} or left out: the learner was "
            f"trained on images of {backbone.image_shape}. Received: size={size!r}"
        )
    if head is None or isinstance(backbone, R2D2 if head == "ridge" else PrototypicalNetwork):
        return backbone
    learner = _with_head(backbone.network, head)
    learner.build(backbone.image_shape)
    return learner


def _pooled(network, image_shape):
    """The network, with the mean over places where its features have any."""
    features = network(keras.KerasTensor((None, *image_shape))).shape[1:]
    if len(features) == 1:
        return network
    if len(features) != 3:
        raise ValueError(
            "Argument `backbone` must give features [batch, features], or maps of them [batch, "
            f"height, width, features]. Received: {type(network).__name__}, whose output has the "
            f"shape {(None, *features)}"
        )
    pooled = [keras.Input(image_shape), network, keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential(pooled)


def _with_head(network, head):
    if head == "prototypes":
        return PrototypicalNetwork(network, distance="cosine", scale=SCALE)
    learner = R2D2(network)
    return learner if learner.crop is None else R2D2(network, views=MOST)  # it is for photographs


def inverted(learner):
    """A copy of a learner that sees dark as light and light as dark."""
    config = learner.get_config()
    for name in ("network", "support_embedding"):
        if config.get(name) is not None:
            network = keras.saving.deserialize_keras_object(config[name])
            swap = [keras.Input(learner.image_shape), keras.layers.Rescaling(-1, 1)]
            swapped = keras.Sequential([*swap, network])
            config[name] = keras.saving.serialize_keras_object(swapped)
    copy = type(learner).from_config(config)
    copy.build(learner.image_shape)
    copy.set_weights(learner.get_weights())
    return copy


def _named(name, weights, size):
    if name in packaged.names():
        return load_packaged(name)
    if Path(name).exists():
        found = load(name)
        if not isinstance(found, (MetaLearner, keras.Model)) or hasattr(found, "class_names"):
            raise ValueError(
                f"Argument `backbone` must be a learner or a network. Received: {name}, which "
                f"holds a {type(found).__name__}"
            )
        return found
    applications = {n.lower(): n for n in dir(keras.applications) if n[0].isupper()}
    if name.lower() not in applications:
        known = [*packaged.names(), *applications.values()]
        near = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Argument `backbone` must be one of {', '.join(packaged.names())}, a network of "
            "keras.applications such as MobileNetV2, a run's folder or a .keras file."
            f"{hint} Received: {name!r}"
        )
    return _application(applications[name.lower()], weights, size or SIZE)


def _application(name, weights, size):
    make = getattr(keras.applications, name)
    if weights is not None and Path(weights).is_file():
        try:
            check_weights(weights, Path(weights).stat().st_size)
        except ValueError as error:
            raise ValueError(_how_to_get(name, weights, str(error))) from error
    try:
        network = make(
            include_top=False, weights=weights, pooling="avg", input_shape=(size, size, 3)
        )
    except Exception as error:  # of a download Keras raises a bare Exception
        raise ValueError(_how_to_get(name, weights, str(error))) from error
    return keras.Sequential(
        [keras.Input((size, size, 3)), ImageNetScaling(family_of(name)), network]
    )


def family_of(name):
    """The module of `keras.applications` that a network's scaling of pixels is in.

    >>> family_of("MobileNetV3Small")
    'mobilenet_v3'
    """
    return getattr(keras.applications, name).__module__.rsplit(".", 1)[-1]


def _how_to_get(name, weights, error):
    """One line: what is wrong with the weights of a network, and which file to get."""
    address = re.search(r"https?://\S+", error)
    if weights != "imagenet" or address is None:
        return f"The weights {weights!r} of {name} cannot be had: {error}"
    return (
        f"The weights of {name} cannot be downloaded here. Get {address[0].rstrip('.:,')} where "
        "there is a network, and give the file: --weights FILE (`weights=` in Python). "
        "The backbone 'photos' needs no download"
    )


def _image_shape(network, size):
    shape = getattr(network, "input_shape", None) or (None, None, None, None)
    if len(shape) != 4:
        raise ValueError(
            "Argument `backbone` must take images [batch, height, width, channels]. "
            f"Received: a network that takes {shape}"
        )
    sides = [known or size for known in shape[1:3]]
    if None in sides:
        raise ValueError(
            "Argument `size` must be given: the backbone takes images of any size. Received: None"
        )
    return (*sides, shape[3] or 3)
