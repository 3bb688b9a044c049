"""What can be trained by several processes, and which these are. Needs no TensorFlow."""

import json
import os

from kmeta.recipes.recipe import Recipe

DISTRIBUTE = ("mirrored", "multi-worker")
LOST = 75  # exit code where another process is lost: EX_TEMPFAIL of BSD's sysexits.h, "try again"
EXAMPLE = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'


class WorkerLostError(RuntimeError):
    """Another process of the training cannot be reached any more, or could not be in time."""


def is_chief(distribute: str | None) -> bool:
    """Whether this process writes the run's files: the cluster's "chief", or else worker 0.

    distribute: None, or one of `DISTRIBUTE`.

    Raises ValueError where it is neither, or is "multi-worker" and TF_CONFIG names no workers.

    >>> is_chief(None), is_chief("mirrored")
    (True, True)
    """
    if distribute not in (None, *DISTRIBUTE):
        raise ValueError(
            f"Argument `distribute` must be one of {list(DISTRIBUTE)}. "
            f"Received: distribute={distribute!r}"
        )
    if distribute != "multi-worker":
        return True
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text)
        cluster, kind, index = config["cluster"], config["task"]["type"], config["task"]["index"]
        addresses = [address for name in ("chief", "worker") for address in cluster.get(name, [])]
        known = all(isinstance(address, str) and ":" in address for address in addresses)
        known = known and kind in ("chief", "worker") and index in range(len(cluster[kind]))
    except (ValueError, KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise ValueError(
            f"distribute='multi-worker' needs the variable TF_CONFIG, such as {EXAMPLE}, another "
            f"index in every process. Received: TF_CONFIG={text!r}"
        )
    return kind == "chief" or ("chief" not in cluster and index == 0)


def check(recipe: Recipe, replicas: int) -> None:
    """Raise ValueError, naming the field, unless so many replicas can train a recipe together."""
    tasks, name = recipe.train.tasks_per_step, "tasks_per_step"
    if recipe.pairs is not None:
        tasks, name = recipe.pairs.get("batch_size", 128), "batch_size"
    if tasks % replicas:
        raise ValueError(
            f"Argument `{name}` must be a multiple of the number of replicas, {replicas}. "
            f"Received: {name}={tasks}"
        )
    if recipe.learner == "reptile":
        raise ValueError(
            "Argument `distribute` must be None for reptile, whose tasks hand second moments on to "
            "one another. Received: learner='reptile'"
        )
