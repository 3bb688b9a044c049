"""A network as a function of its state, so that every task may have weights of its own."""

from typing import Any, NamedTuple

import keras
from keras import ops, tree

from kmeta.episode import Tensor
from kmeta.layers.batch_normalization import batch_norm_statistics
from kmeta.ops import differentiation


class NetworkState(NamedTuple):
    """Values of all variables of a network, or the variables themselves.

    weights: of its trainable weights, which adapt.
    fixed: of its other weights, such as the moving averages of batch normalisation.
    seeds: of its random layers, which differ from call to call.
    """

    weights: Any
    fixed: Any
    seeds: Any


def variables(network: keras.Layer) -> NetworkState:
    """The `NetworkState` of the variables of a network."""
    weights = {id(variable) for variable in network.weights}
    others = network.non_trainable_variables
    return NetworkState(
        list(network.trainable_weights),
        list(network.non_trainable_weights),
        [variable for variable in others if id(variable) not in weights],
    )


def read(network: keras.Layer) -> NetworkState:
    """The `NetworkState` of the present values of a network."""
    return NetworkState(*map(differentiation.read, variables(network)))


def seeds_of_tasks(network: keras.Layer, tasks: int, training: bool | None) -> list[Tensor]:
    """Seeds of the network's random layers, `[tasks, 2]` each, which in training differ by task.

    In training the network's own move on, so that the next step has others.
    """
    own = variables(network).seeds
    seeds = differentiation.read(own)
    if not training:
        return [ops.broadcast_to(seed[None], (tasks, *seed.shape)) for seed in seeds]
    assign(own, [seed + 1 for seed in seeds])
    return [differentiation.task_seeds(seed, tasks) for seed in seeds]


def apply(
    network: keras.Layer,
    state: Any,
    x: Tensor,
    training: bool,
    batch: bool,
    momentum: float | None = None,
    counted: Any = None,
) -> tuple[Tensor, NetworkState]:
    """The network under a given state; its own variables stay as they are.

    Args:
        network: a Keras model.
        state: `NetworkState` of values.
        x: `[batch, ...]`.
        training: as in Keras.
        batch, momentum: see `kmeta.layers.batch_normalization.batch_norm_statistics`.
        counted: `[batch]`, 1 or 0: which rows of x count in the batch's statistics. None: all.

    Returns:
        `(outputs, state)`, the state with the other weights and the seeds as they moved.
    """
    own = variables(network)
    if counted is not None:
        counted = counted / ops.maximum(ops.sum(counted), 1.0)
    with (
        keras.StatelessScope(zip(tree.flatten(own), tree.flatten(state), strict=True)) as scope,
        differentiation.exact_moments(counted),
        batch_norm_statistics(network, batch, momentum),
    ):
        outputs = network(x, training=training)
    fixed, seeds = ([scope.get_current_value(v) for v in part] for part in (own.fixed, own.seeds))
    return outputs, NetworkState(state.weights, fixed, seeds)


def assign(variables: Tensor, values: Tensor) -> None:
    """Give each variable its value."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
