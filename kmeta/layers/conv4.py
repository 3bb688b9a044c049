"""The four-block convolutional network of the few-shot papers."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import number, one_of, positive, true_or_false, whole_number
from kmeta.episode import Tensor
from kmeta.layers.batch_normalization import BatchNormalization


@keras.saving.register_keras_serializable("kmeta")
class Conv4(keras.layers.Layer):
    """Conv-4: four blocks of 3x3 convolution, batch normalisation, ReLU and halving.

    - `Conv4()` is the embedding of Matching Networks and Prototypical Networks (Vinyals et al.
      2016, section 4.1; Snell et al. 2017, section 3): 2x2 max-pooling that drops odd rows,
      flattened, 64 features for 28x28 images and 1600 for 84x84.
    - `Conv4(downsampling="stride", features="mean", scale=False)` is the Omniglot network of MAML
      (Finn et al. 2017, section 5.2): strides of 2 instead of pooling, mean over the last 2x2
      map, batch normalisation with a shift and no scale.
    - `Conv4(downsampling="stride")` is the Omniglot network of Reptile (Nichol et al. 2018): the
      last map flattened, 256 features.
    - `Conv4(filters=32)` is the miniImageNet network of MAML.

    Args:
        filters: channels of every block.
        downsampling: `"pool"` or `"stride"`.
        features: `"flatten"`, or `"mean"` over the last feature map.
        scale: whether batch normalisation has a learned scale.
        momentum: of the running statistics. The default, 0.9, is PyTorch's 0.1, with which
            Prototypical Networks were published.
        epsilon: of batch normalisation.

    Input: `[batch, height, width, channels]`, 16 pixels or more a side when pooling.
    Output: `[batch, features]`.

    Deviations: pools before the ReLU, which gives the same function (both are monotone) sooner.

    Example:
        >>> [kmeta.layers.Conv4()(np.ones((1, n, n, 1), "float32")).shape[-1] for n in (28, 84)]
        [64, 1600]
    """

    def __init__(
        self,
        filters: int = 64,
        downsampling: str = "pool",
        features: str = "flatten",
        scale: bool = True,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters = whole_number("filters", filters)
        self.downsampling = one_of("downsampling", downsampling, ("pool", "stride"))
        self.features = one_of("features", features, ("flatten", "mean"))
        self.scale = scale = true_or_false("scale", scale)
        self.momentum = momentum = number("momentum", momentum, 0, 1)
        self.epsilon = epsilon = positive("epsilon", epsilon)
        strides = 2 if downsampling == "stride" else 1
        self.convolutions = [
            keras.layers.Conv2D(
                filters,
                3,
                strides,
                padding="same",
                data_format="channels_last",
                dtype=self.dtype_policy,
                name=f"conv_{i}",
            )
            for i in range(4)
        ]
        self.normalizations = [
            BatchNormalization(
                momentum=momentum,
                epsilon=epsilon,
                scale=scale,
                dtype=self.dtype_policy,
                name=f"norm_{i}",
            )
            for i in range(4)
        ]

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                "Conv4 expects images `[batch, height, width, channels]`. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if self.downsampling == "pool" and min(input_shape[1:3]) < 16:
            raise ValueError(
                "Conv4 with downsampling='pool' halves four times and needs images of at least "
                f"16x16 pixels. Received: input_shape={tuple(input_shape)}"
            )
        channels = input_shape[-1]
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            convolution.build((None, None, None, channels))
            normalization.build((None, None, None, self.filters))
            channels = self.filters

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        x = images
        for convolution, normalization in zip(self.convolutions, self.normalizations, strict=True):
            x = normalization(convolution(x), training=training)
            if self.downsampling == "pool":
                x = ops.max_pool(x, 2, 2, padding="valid", data_format="channels_last")
            x = ops.relu(x)
        if self.features == "mean":
            return ops.mean(x, axis=(1, 2))
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "downsampling": self.downsampling,
            "features": self.features,
            "scale": self.scale,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
