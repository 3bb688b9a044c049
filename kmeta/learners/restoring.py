"""What may be made of a configuration, as files hold them: the one list of it.

A file that names classes and functions can do what these can do. Keras refuses some in its safe
mode; here everything is refused that is not known to be harmless, in whatever mode.
"""

import contextlib
import math
import sys
from collections.abc import Iterator
from typing import Any

import keras
from keras import layers

ROOMS = (  # of Keras' layers; what they hold computes on tensors and does nothing else
    *("activations", "attention", "convolutional", "merging", "normalization", "pooling"),
    *("regularization", "reshaping", "rnn"),
)
OTHERS = (  # the harmless ones of the rooms that hold others too
    *("Dense", "EinsumDense", "Embedding", "Identity", "InputLayer", "Masking"),
    *("CenterCrop", "Normalization", "RandomBrightness", "RandomContrast", "RandomCrop"),
    *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "Rescaling", "Resizing"),
)
LAYERS = frozenset(
    name
    for name, layer in vars(layers).items()
    if isinstance(layer, type)
    and (
        name in OTHERS
        or layer.__module__.startswith(tuple(f"keras.src.layers.{room}." for room in ROOMS))
    )
)
MODELS = ("Functional", "Model", "Sequential")
# modules all of whose own classes are parts of layers or of training
PARTS = (
    *("keras.constraints", "keras.dtype_policies", "keras.initializers", "keras.losses"),
    *("keras.metrics", "keras.optimizers", "keras.optimizers.schedules", "keras.random"),
    "keras.regularizers",
)
OPERATIONS = ("keras.src.ops", "keras.src.applications")  # and the modules in these
FUNCTIONS = frozenset(  # of activations and losses
    name
    for module in (keras.activations, keras.losses, keras.metrics)
    for name in dir(module)
    if name not in ("get", "serialize", "deserialize")
)
FUNCTIONS_OF = ("None", "builtins", "keras.activations", "keras.losses", "keras.metrics")
LARGEST_IMAGE = 2**22  # numbers
# values that are no objects
PLAIN = ("__tuple__", "__keras_tensor__", "__tensor__", "__numpy__", "__slice__")


def layer_class(name: str) -> type:
    """The layer of Keras of a name that may stand in a file.

    Args:
        name: such as `"Conv2D"`.

    Raises:
        ValueError: if there is none, or it can do more than compute.

    >>> layer_class("Flatten").__name__
    'Flatten'
    >>> layer_class("Lambda")
    Traceback (most recent call last):
    ...
    ValueError: Expected the name of a layer of Keras that only computes. Received: 'Lambda'
    """
    if not isinstance(name, str) or name not in LAYERS:
        raise ValueError(
            f"Expected the name of a layer of Keras that only computes. Received: {name!r}"
        )
    return getattr(layers, name)


def restored(value: Any) -> Any:
    """The object that a configuration, a dict, stands for; any other value as it is.

    Raises:
        ValueError: if the configuration holds anything but layers and parts of them that only
            compute, classes of kmeta, and classes that the running program has registered.
    """
    if not isinstance(value, dict):
        return value
    check_config(value)
    with as_configuration(value.get("class_name", "what a learner has")):
        return keras.saving.deserialize_keras_object(value)


@contextlib.contextmanager
def as_configuration(kind: str) -> Iterator[None]:
    """Raise ValueError for whatever a configuration that is none of a kind raises inside."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:  # Keras raises any
        raise ValueError(f"This is no configuration of {kind}: {error!r}") from error


def restored_shape(shape: Any) -> tuple[int, ...]:
    """The shape of an image of a learner from a file.

    Raises:
        ValueError: if it is none, or of more than `LARGEST_IMAGE` numbers.

    >>> restored_shape([28, 28, 1])
    (28, 28, 1)
    """
    known = isinstance(shape, (list, tuple)) and all(type(side) is int for side in shape)
    if not known or math.prod(shape) > LARGEST_IMAGE:
        raise ValueError(
            f"The shape of an image in a file must have at most {LARGEST_IMAGE} numbers. "
            f"Received: {shape!r}"
        )
    return tuple(shape)


def check_config(config: dict[str, Any]) -> None:
    """Raise ValueError if a configuration, with all it holds, names what is not allowed.

    Args:
        config: what `keras.saving.serialize_keras_object` returns, or any part of it.

    >>> check_config(keras.saving.serialize_keras_object(keras.layers.Dense(3)))
    >>> check_config({"module": "keras.layers", "class_name": "TFSMLayer", "config": {}})
    Traceback (most recent call last):
    ...
    ValueError: A file may not name keras.layers.TFSMLayer: ...
    """
    if isinstance(config, (list, tuple)):
        for part in config:
            check_config(part)
    if isinstance(config, dict):
        if "class_name" in config and not _is_allowed(config):
            raise ValueError(
                f"A file may not name {config.get('module')}.{config['class_name']}: only layers "
                "of Keras that compute and nothing else, classes of kmeta, and what the running "
                "program has registered by `keras.saving.register_keras_serializable`"
            )
        for part in config.values():
            check_config(part)


def _is_allowed(config):
    module, name = str(config.get("module")), config["class_name"]
    if not isinstance(name, str):
        return False
    if name.startswith("__"):  # before all else: Keras looks at it first
        return name in PLAIN
    if name == "function":
        function = str(config.get("config"))
        known = keras.saving.get_registered_object(function) is not None
        return known or (module in FUNCTIONS_OF and function in FUNCTIONS)
    if keras.saving.get_registered_object(str(config.get("registered_name"))) is not None:
        return True
    if name in MODELS and module in ("keras", "keras.models", "keras.src.models.functional"):
        return True
    if module == "keras.layers":
        return name in LAYERS
    return (module, name) == ("keras", "DTypePolicy") or _is_part(module, name)


def _is_part(module, name):
    """Whether a module, which has been imported, has a class of this name that is its own."""
    found = vars(sys.modules.get(module, object)).get(name)
    if not isinstance(found, type):
        return False
    if module in PARTS:
        return True
    homes = tuple(f"{home}." for home in OPERATIONS)
    return module.startswith(homes) and found.__module__.startswith(homes)
