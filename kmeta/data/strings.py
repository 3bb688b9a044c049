"""Labels that are strings of five letters out of five (Santoro et al. 2016, section 4.1.1).

With 3125 of them, the labels of a task tell little of how many classes it has.
"""

import numpy as np

LABELS = ("one_hot", "strings")  # the kinds of labels a sequence may show
LETTERS, ALPHABET = 5, 5
STRINGS = ALPHABET**LETTERS


def letters(numbers):
    """The strings of numbers in 0..3124, as five letters 0..4 on a new last axis."""
    places = ALPHABET ** np.arange(LETTERS)[::-1]
    return numbers[..., None] // places % ALPHABET


def one_hot(numbers):
    """The strings of numbers in 0..3124 as float32 `[..., 25]`, five one-hot letters each."""
    spelled = letters(numbers)
    return np.eye(ALPHABET, dtype=np.float32)[spelled].reshape(*spelled.shape[:-1], -1)
