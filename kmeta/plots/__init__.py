"""Pictures of what learners are given, of what they make of it, and of how they were trained.

Every function writes a PNG file, whole or not at all, or returns the PNG as bytes where it is
given no path; `IPython.display.Image(...)` shows them in a notebook. The numbers behind the
pictures can be had without them: `kmeta.evaluation.reliability` and `confusion_matrix`,
`principal_plane`, `MatchingNetwork.attention`, `MemoryAugmentedNetwork.memory_weights`.

Names load on first use, and matplotlib with them.
"""

from typing import TYPE_CHECKING

from kmeta import lazy

if TYPE_CHECKING:  # what type checkers see of the names that load on first use
    from kmeta.plots.attention import draw_attention as draw_attention
    from kmeta.plots.confusion import draw_confusion as draw_confusion
    from kmeta.plots.curves import draw_curves as draw_curves
    from kmeta.plots.episode_grid import draw_episode as draw_episode
    from kmeta.plots.episode_grid import draw_sequence as draw_sequence
    from kmeta.plots.instances import draw_instances as draw_instances
    from kmeta.plots.memory import draw_memory as draw_memory
    from kmeta.plots.plane import draw_plane as draw_plane
    from kmeta.plots.plane import principal_plane as principal_plane
    from kmeta.plots.reliability import draw_reliability as draw_reliability
    from kmeta.plots.training import draw_training as draw_training

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
__getattr__, __dir__, __all__ = lazy.names(
    __name__, {name: f"kmeta.plots.{home}" for name, home in _HOMES.items()}
)
