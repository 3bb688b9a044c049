"""The rule for pixels, `kmeta.edge.images`, where those look for it who read data."""

from kmeta.edge.images import SCALING, to_float

__all__ = ["SCALING", "to_float"]
