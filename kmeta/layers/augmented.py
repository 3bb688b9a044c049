"""The convolutional network of Meta Networks, whose weights may be joined by fast ones."""

from typing import Any

import keras

from kmeta.checks import whole_number
from kmeta.episode import Tensor
from kmeta.ops import fast_weights


@keras.saving.register_keras_serializable("kmeta")
class AugmentedConvNet(keras.layers.Layer):
    """Convolutions, a dense layer and a head, without biases (Munkhdalai & Yu 2017, section 4.1).

    Blocks of 3x3 convolution, ReLU and 2x2 max-pooling that keeps odd rows; a dense layer of
    `features`; a head of `way` classes. It holds slow weights. Given fast weights beside them, a
    hidden layer is `ReLU(slow(x)) + ReLU(fast(x))`, and the logits are the sum of both.

    Args:
        way: classes.
        filters: channels of every convolution.
        blocks: number of convolutions, at most 16.
        features: outputs of the dense layer.
        initializer: name of the Keras initializer of all kernels.

    Input: `[items, height, width, channels]`; `fast`, `Kernels` like `kernels`, or
        None.
    Output: logits `[items, way]`.

    Raises:
        ValueError: if a size is no positive integer, there are more than 16 blocks, or Keras has
            no such initializer.

    Deviations: the paper draws weights from U(-0.1, 0.1); `"lecun_normal"` is what the authors'
    code does.

    Example:
        >>> network = kmeta.layers.AugmentedConvNet(way=3, filters=8, blocks=2, features=16)
        >>> network(np.ones((4, 8, 8, 1), "float32")).shape
        TensorShape([4, 3])
        >>> [tuple(kernel.shape) for kernel in network.kernels.convolutions]
        [(3, 3, 1, 8), (3, 3, 8, 8)]
    """

    def __init__(
        self,
        way: int = 5,
        filters: int = 64,
        blocks: int = 5,
        features: int = 64,
        initializer: str = "lecun_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        known = getattr(keras.initializers, str(initializer), None)
        if not (isinstance(known, type) and issubclass(known, keras.initializers.Initializer)):
            raise ValueError(
                "Argument `initializer` must be the name of a Keras initializer. "
                f"Received: initializer={initializer!r}"
            )
        self.way = whole_number("way", way)
        self.filters = whole_number("filters", filters)
        self.blocks = whole_number("blocks", blocks, most=16)
        self.features = whole_number("features", features)
        self.initializer = initializer
        self.convolutions, self.dense, self.head = [], None, None

    @property
    def kernels(self) -> fast_weights.Kernels:
        """The slow weights, `kmeta.ops.fast_weights.Kernels`."""
        return fast_weights.Kernels(list(self.convolutions), self.dense, self.head)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                "AugmentedConvNet expects images `[items, height, width, channels]`. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        _, height, width, channels = input_shape
        for i in range(self.blocks):
            kernel = self._kernel(f"conv_{i}", (3, 3, channels, self.filters))
            self.convolutions.append(kernel)
            height, width, channels = -(-height // 2), -(-width // 2), self.filters
        self.dense = self._kernel("dense", (height * width * channels, self.features))
        self.head = self._kernel("head", (self.features, self.way))

    def _kernel(self, name, shape):
        return self.add_weight(shape=shape, initializer=self.initializer, name=name)

    def call(self, x: Tensor, fast: Any = None) -> Tensor:
        return fast_weights.logits(x, self.kernels, fast)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "way": self.way,
            "filters": self.filters,
            "blocks": self.blocks,
            "features": self.features,
            "initializer": self.initializer,
        }
