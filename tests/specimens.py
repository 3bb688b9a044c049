"""One small specimen of every public learner, for the tests of the common contract."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

import kmeta

WAY, SIZE = 3, 16


@dataclasses.dataclass(frozen=True)
class Specimen:
    """How to make a learner, and what the contract asks of it.

    make: returns a new, unbuilt learner for WAY classes of SIZE x SIZE x 1 images.
