"""Pictures of what learners are given, of what they make of it, and of how they were trained.

Every function writes a PNG file, whole or not at all, or returns the PNG as bytes where it is
given no path; `IPython.display.Image(...)` shows them in a notebook. The numbers behind the
pictures can be had without them: `kmeta.evaluation.reliability` and `confusion_matrix`,
`principal_plane`, `MatchingNetwork.attention`, `MemoryAugmentedNetwork.memory_weights`.

Names load on first use, and matplotlib with them.
"""

import importlib

_HOMES = {
    "draw_attention": "attention",
    "draw_confusion": "confusion",
    "draw_curves": "curves",
    "draw_episode": "episode_grid",
    "draw_instances": "instances",
    "draw_memory": "memory",
    "draw_plane": "plane",
    "draw_reliability": "reliability",
    "draw_sequence": "episode_grid",
    "draw_training": "training",
    "principal_plane": "plane",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        value = getattr(importlib.import_module(f"kmeta.plots.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kmeta.plots' has no attribute {name!r}")


def __dir__():
    return __all__
