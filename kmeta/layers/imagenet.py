"""What networks of `keras.applications` do to pixels before they look at them."""

from typing import Any

import keras

from kmeta.episode import Tensor


@keras.saving.register_keras_serializable("kmeta")
class ImageNetScaling(keras.layers.Layer):
    """Images in [0, 1] as a family of `keras.applications` wants them: scaled, centred or as BGR.

    Args:
        family: module of `keras.applications`, such as `"mobilenet_v2"`, whose `preprocess_input`
            is applied to `255 * x`.

    Input, output: `[batch, height, width, 3]`.

    Raises:
        ValueError: if there is no such family.

    Example:
        >>> black_to_white = np.array([0.0, 0.5, 1.0], "float32").reshape(1, 1, 1, 3)
        >>> np.ravel(kmeta.layers.ImageNetScaling("mobilenet_v2")(black_to_white))
        array([-1.,  0.,  1.], dtype=float32)
    """

    crop = 0.875  # of the shorter side of a photograph, as these networks were trained

    def __init__(self, family: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        module = getattr(keras.applications, str(family), None)
        if not hasattr(module, "preprocess_input"):
            raise ValueError(
                "Argument `family` must be a module of keras.applications. "
                f"Received: family={family!r}"
            )
        self.family = family
        self._preprocess = module.preprocess_input

    def call(self, x: Tensor) -> Tensor:
        return self._preprocess(255.0 * x, data_format="channels_last")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "family": self.family}
