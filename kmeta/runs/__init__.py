"""Training runs: a recipe, a folder, and weights that survive an interruption.

Names load on first use, so that a run's folder can be read without importing Keras.
"""

from typing import TYPE_CHECKING

from kmeta import lazy

if TYPE_CHECKING:  # what type checkers see of the names that load on first use
    from kmeta.runs.folder import Run as Run
    from kmeta.runs.loading import load as load
    from kmeta.runs.training import train as train

_HOMES = {"Run": "folder", "load": "loading", "train": "training"}
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {name: f"kmeta.runs.{home}" for name, home in _HOMES.items()}
)
