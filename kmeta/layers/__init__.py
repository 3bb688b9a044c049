"""Keras layers."""

from kmeta.layers.batch_normalization import BatchNormalization
from kmeta.layers.conv4 import Conv4

__all__ = ["BatchNormalization", "Conv4"]
