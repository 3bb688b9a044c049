"""The two networks of Relation Networks (Sung et al. 2018, figure 2)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import one_of, whole_number
from kmeta.episode import Tensor
from kmeta.layers.batch_normalization import BatchNormalization


def _normal(fan_out):
    """The authors' initialisation of convolutions, N(0, 2 / (k^2 * filters))."""
    return keras.initializers.RandomNormal(stddev=(2.0 / fan_out) ** 0.5)


def _block(filters, padding, pool, dtype):
    layers = [
        keras.layers.Conv2D(
            filters,
            3,
            padding=padding,
            data_format="channels_last",
            kernel_initializer=_normal(9 * filters),
            dtype=dtype,
        ),
        BatchNormalization(momentum=0.9, epsilon=1e-5, dtype=dtype),
    ]
    if pool:  # before the ReLU: the same function, sooner
        layers.append(keras.layers.MaxPooling2D(2, data_format="channels_last", dtype=dtype))
    return [*layers, keras.layers.ReLU(dtype=dtype)]


def _through(layers, x, training):
    for layer in layers:
        arguments = {"training": training} if isinstance(layer, BatchNormalization) else {}
        x = layer(x, **arguments)
    return x


def _convolved_pairs(convolution, first, second):
    """The convolution of `[first_i, second_j]`, `[tasks, j, i, height, width, filters]`.

    It is linear: the sum of one of every `first_i` and one of every `second_j`, each by its share
    of the kernel's channels, in place of one of each pair.

    Args:
        convolution: a built `keras.layers.Conv2D`.
        first, second: `[tasks, i, height, width, channels]`, `[tasks, j, height, width, channels]`.
    """
    kernel = ops.convert_to_tensor(convolution.kernel)
    channels = first.shape[-1]

    def convolved(x, part):
        flat = ops.reshape(x, (-1, *x.shape[2:]))
        y = ops.conv(flat, part, padding=convolution.padding, data_format="channels_last")
        return ops.reshape(y, (*ops.shape(x)[:2], *y.shape[1:]))

    by_first = convolved(first, kernel[:, :, :channels]) + convolution.bias
    by_second = convolved(second, kernel[:, :, channels:])
    return ops.expand_dims(by_first, 1) + ops.expand_dims(by_second, 2)


class _Chain(keras.layers.Layer):
    """Layers in a row, made by `chain()` when the input shape is known."""

    def __init__(self, filters: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = whole_number("filters", filters)

    def chain(self) -> list[keras.Layer]:
        """The layers."""
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                f"{type(self).__name__} expects maps `[batch, height, width, channels]`. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.layers = self.chain()
        shape = tuple(input_shape)
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        return _through(self.layers, x, training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("kmeta")
class RelationEmbedding(_Chain):
    """Embedding that keeps feature maps: two blocks that pool, two that do not.

    Convolutions of the pooling blocks have no padding: 28x28 images become 5x5 maps, 84x84 images
    19x19, as in the authors' code.

    Args:
        filters: channels of every block.

    Input: `[batch, height, width, channels]`. Output: `[batch, height', width', filters]`.

    Example:
        >>> kmeta.layers.RelationEmbedding()(np.zeros((1, 28, 28, 1), "float32")).shape
        TensorShape([1, 5, 5, 64])
    """

    def chain(self) -> list[keras.Layer]:
        dtype = self.dtype_policy
        pooled = [layer for _ in range(2) for layer in _block(self.filters, "valid", True, dtype)]
        return pooled + [
            layer for _ in range(2) for layer in _block(self.filters, "same", False, dtype)
        ]


@keras.saving.register_keras_serializable("kmeta")
class RelationModule(_Chain):
    """Score of a pair of concatenated feature maps, before the sigmoid.

    Two blocks that pool, 8 ReLU units, one output; the dense layers start from N(0, 0.01) with a
    bias of 1, as in the authors' code.

    Args:
        filters: channels of the two blocks.
        hidden: units between them and the output.
        padding: of the convolutions, `"same"` as for Omniglot or `"valid"` as for miniImageNet.

    Input: `[pairs, height, width, channels]`. Output: `[pairs, 1]`.

    Example:
        >>> kmeta.layers.RelationModule()(np.zeros((2, 5, 5, 128), "float32")).shape
        TensorShape([2, 1])
    """

    def __init__(
        self, filters: int = 64, hidden: int = 8, padding: str = "same", **kwargs: Any
    ) -> None:
        super().__init__(filters, **kwargs)
        self.hidden = whole_number("hidden", hidden)
        self.padding = one_of("padding", padding, ("same", "valid"))

    def chain(self) -> list[keras.Layer]:
        dtype = self.dtype_policy
        dense = {
            "kernel_initializer": keras.initializers.RandomNormal(stddev=0.01),
            "bias_initializer": "ones",
            "dtype": dtype,
        }
        blocks = [
            layer for _ in range(2) for layer in _block(self.filters, self.padding, True, dtype)
        ]
        return [
            *blocks,
            keras.layers.Flatten(data_format="channels_last", dtype=dtype),
            keras.layers.Dense(self.hidden, activation="relu", **dense),
            keras.layers.Dense(1, **dense),
        ]

    def call(self, x: Tensor | tuple[Tensor, Tensor], training: bool | None = None) -> Tensor:
        if not isinstance(x, tuple):
            return super().call(x, training)
        convolution, *rest = self.layers
        pairs = _convolved_pairs(convolution, *x)
        flat = ops.reshape(pairs, (-1, *pairs.shape[3:]))
        return ops.reshape(_through(rest, flat, training), (*ops.shape(pairs)[:3], 1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden, "padding": self.padding}
