"""The convolutional network of Siamese Neural Networks (Koch, Zemel & Salakhutdinov 2015)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import number, whole_number
from kmeta.episode import Tensor

KERNELS = ((64, 10), (128, 7), (128, 4), (256, 4))  # filters and side of each convolution


@keras.saving.register_keras_serializable("kmeta")
class KochConvNet(keras.layers.Layer):
    """The published twin network, 38.95 million weights (Koch et al. 2015, figure 4).

    Convolutions of 64 10x10, 128 7x7, 128 4x4 and 256 4x4 filters with ReLU, none padded, with 2x2
    max-pooling after each but the last; a dense layer of sigmoids. For 105x105 images the last map
    is 6x6x256, 9216 values. Convolution weights start from N(0, 0.01), dense ones from N(0, 0.2),
    biases from N(0.5, 0.01) (section 3.2).

    Args:
        features: units of the dense layer, 4096 as published.
        l2: penalty on every weight that is not a bias: `l2 * sum w^2` is added to the loss. The
            published penalties, one for each layer, are within [0, 0.1] and not printed.

    Input: `[batch, height, width, channels]`, at least 65 pixels a side; published 105x105x1.
    Output: `[batch, features]`, each in (0, 1).

    Raises:
        ValueError: if an argument is out of range or images are too small.

    Deviations: pools before the ReLU, which gives the same function (both are monotone) sooner;
    one penalty for all layers.

    Example:
        >>> layer = kmeta.layers.KochConvNet(features=16)
        >>> layer(np.zeros((1, 105, 105, 1), "float32")).shape
        TensorShape([1, 16])
        >>> layer.dense.kernel.shape
        TensorShape([9216, 16])
    """

    def __init__(self, features: int = 4096, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features = whole_number("features", features)
        self.l2 = number("l2", l2, 0)
        self.convolutions = [
            keras.layers.Conv2D(
                filters, side, data_format="channels_last", name=f"conv_{i}", **self._options(0.01)
            )
            for i, (filters, side) in enumerate(KERNELS)
        ]
        self.dense = keras.layers.Dense(
            features, activation="sigmoid", name="dense", **self._options(0.2)
        )

    def _options(self, stddev):
        return {
            "kernel_initializer": keras.initializers.RandomNormal(stddev=stddev),
            "bias_initializer": keras.initializers.RandomNormal(0.5, 0.01),
            "kernel_regularizer": keras.regularizers.L2(self.l2) if self.l2 else None,
            "dtype": self.dtype_policy,
        }

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                "KochConvNet expects images `[batch, height, width, channels]`. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if min(input_shape[1:3]) < 65:
            raise ValueError(
                "KochConvNet needs images of at least 65x65 pixels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        sides, channels = input_shape[1:3], input_shape[3]
        for convolution, (filters, side) in zip(self.convolutions, KERNELS, strict=True):
            convolution.build((None, None, None, channels))
            pool = 1 if convolution is self.convolutions[-1] else 2
            sides, channels = [(length - side + 1) // pool for length in sides], filters
        self.dense.build((None, sides[0] * sides[1] * channels))

    def call(self, images: Tensor) -> Tensor:
        x = images
        for convolution in self.convolutions[:-1]:
            x = ops.relu(
                ops.max_pool(convolution(x), 2, 2, padding="valid", data_format="channels_last")
            )
        x = ops.relu(self.convolutions[-1](x))
        return self.dense(ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3])))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features, "l2": self.l2}
