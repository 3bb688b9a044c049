"""EfficientNet-Lite0 (Tan & Le 2019, and its variant for small devices of 2020)."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kmeta.episode import Tensor

BLOCKS = (  # repeats, kernel, stride of the first, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
EPSILON = 1e-3  # of the batch normalisation in training


@keras.saving.register_keras_serializable("kmeta")
class EfficientNetLite0(layers.Layer):
    """EfficientNet-Lite0 without its classification head: photographs to 1280 features.

    EfficientNet-B0 (Tan & Le 2019, table 1) without squeeze-and-excitation, with ReLU6 for swish,
    and first and last convolution not scaled. A block is a convolution 1x1 that widens, one for
    each channel, and one 1x1 that narrows; its input is added where shapes allow. 3.4 million
    weights. `kmeta.load("photos")` has those of ImageNet.

    Input: `[batch, height, width, 3]` in [0, 1]; 224 x 224 is what it was trained on. The network
    itself makes `(255 x - 127) / 128` of it.
    Output: features `[batch, 1280]`, at least 0.

    Deviations: batch normalisation is folded into the convolutions, so it cannot be trained on with
    the statistics of a batch.

    >>> kmeta.layers.EfficientNetLite0()(np.zeros((2, 64, 64, 3), "float32")).shape
    TensorShape([2, 1280])
    """

    crop = 0.875  # of the shorter side of a photograph, as in its training

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stem = self._conv(layers.Conv2D, "stem", 32, 3, strides=2, activation="relu6")
        self.blocks, filters = [], 32
        for repeats, kernel, stride, expansion, wanted in BLOCKS:
            for repeat in range(repeats):
                strides = stride if repeat == 0 else 1
                self.blocks.append(self._block(filters, kernel, strides, expansion, wanted))
                filters = wanted
        self.head = self._conv(layers.Conv2D, "head", 1280, 1, activation="relu6")

    def _conv(self, kind, name, *arguments, **options):
        return kind(
            *arguments,
            padding="same",
            data_format="channels_last",
            name=name,
            dtype=self.dtype_policy,
            **options,
        )

    def _block(self, given, kernel, strides, expansion, wanted):
        """`(layers, whether the input is added to their output)`."""
        name, parts = f"block{len(self.blocks)}", []
        if expansion > 1:
            widened = given * expansion
            expand = self._conv(layers.Conv2D, f"{name}_expand", widened, 1, activation="relu6")
            parts.append(expand)
        depthwise = self._conv(
            layers.DepthwiseConv2D,
            f"{name}_depthwise",
            kernel,
            strides=strides,
            activation="relu6",
        )
        parts += [depthwise, self._conv(layers.Conv2D, f"{name}_project", wanted, 1)]
        return keras.Sequential(parts, name=name), strides == 1 and given == wanted

    def build(self, input_shape: Any) -> None:
        self.call(keras.KerasTensor((None, *input_shape[1:])))
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        x = self.stem((255.0 * x - 127.0) / 128.0)
        for block, is_residual in self.blocks:
            x = block(x) + x if is_residual else block(x)
        return ops.mean(self.head(x), axis=(1, 2))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], 1280)

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take weights with batch normalisation, which is folded into the convolutions.

        arrays: by name, `stem/kernel`, `stem_bn/gamma`, `stem_bn/beta`, `stem_bn/moving_mean`,
            `stem_bn/moving_variance`, and so `head` and `block0_expand` to `block15_project`.
            float16 or float32.

        Raises:
            ValueError: if the layer is not built.
            KeyError: if an array is missing.
        """
        if not self.built:
            raise ValueError("Build the layer first: `layer.build((None, 224, 224, 3))`")
        convolutions = [self.stem, *(x for b, _ in self.blocks for x in b.layers), self.head]
        for layer in convolutions:
            folded = _folded(arrays, layer.name, isinstance(layer, layers.DepthwiseConv2D))
            layer.set_weights(folded)


def _folded(arrays, name, depthwise):
    """Kernel and bias of a convolution followed by batch normalisation."""
    kernel = np.asarray(arrays[f"{name}/kernel"], "float64")
    gamma, beta, mean, variance = (
        np.asarray(arrays[f"{name}_bn/{part}"], "float64")
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    factor = gamma / np.sqrt(variance + EPSILON)
    scaled = kernel * (factor[:, None] if depthwise else factor)
    return [scaled.astype("float32"), (beta - mean * factor).astype("float32")]
