"""Keras layers."""

from kmeta.layers.augmented import AugmentedConvNet
from kmeta.layers.batch_normalization import BatchNormalization
from kmeta.layers.conv4 import Conv4
from kmeta.layers.efficientnet_lite import EfficientNetLite0
from kmeta.layers.fast_weights import ExampleFastWeights, TaskFastWeights
from kmeta.layers.full_context import QueryContext, SupportContext
from kmeta.layers.imagenet import ImageNetScaling
from kmeta.layers.koch import KochConvNet
from kmeta.layers.learned_optimizer import LearnedOptimizer
from kmeta.layers.memory_cell import MemoryCell
from kmeta.layers.relation import RelationEmbedding, RelationModule

__all__ = [
    "AugmentedConvNet",
    "BatchNormalization",
    "Conv4",
    "EfficientNetLite0",
    "ExampleFastWeights",
    "ImageNetScaling",
    "KochConvNet",
    "LearnedOptimizer",
    "MemoryCell",
    "QueryContext",
    "RelationEmbedding",
    "RelationModule",
    "SupportContext",
    "TaskFastWeights",
]
