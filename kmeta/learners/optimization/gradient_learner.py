"""What learners share that adapt the weights of a network, task by task."""

from typing import Any

import keras
from keras import ops, tree

from kmeta.episode import Support, Tensor
from kmeta.learners import stateless
from kmeta.learners.networks import check_way
from kmeta.learners.stateless import NetworkState, assign
from kmeta.learners.task_by_task import TaskByTask
from kmeta.ops import differentiation
from kmeta.ops.losses import support_cross_entropy
from kmeta.ops.padding import valid_items

BN_MODES = ("support", "support+1", "batch", "running")


class GradientLearner(TaskByTask):
    """Base of learners whose state is a network's weights, adapted to each task.

    A learner defines `inner_loop(support, training)`.

    State: `{"weights": [...]}`, each `[tasks, ...]`, and by `bn_mode`
    - `"support"`: `"fixed"`, the statistics of the support set under the adapted weights (with
      all other weights that did not adapt);
    - `"support+1"`: `"support_x"` and `"counted"`; each query is normalised together with the
      support set and without the other queries;
    - `"batch"`: nothing; queries are normalised by their own statistics (transductive);
    - `"running"`: `"fixed"`, the moving averages; in training nothing, as with `"batch"`.
    """

    @property
    def deployed_bn_mode(self) -> str:
        return "running" if self.bn_mode == "running" else "support"

    def inner_loop(self, support: Support, training: bool) -> NetworkState:
        """Adapt the network to one task.

        Args:
            support: `Support` of one task, `[items, ...]`.
            training: as in Keras.

        Returns:
            `NetworkState`, the network as the inner loop left it.
        """
        raise NotImplementedError

    def adapt_state(
        self, support: Support, training: bool | None = False, deployed: bool = False
    ) -> dict[str, Any]:
        bn_mode = self.deployed_bn_mode if deployed else self.bn_mode
        return self._map_tasks(
            lambda task: self.task_state(self.inner_loop(task, training), task, training, bn_mode),
            support,
            training,
        )

    def deployed_weights(self) -> list[keras.Variable]:
        return []  # the state holds every weight

    def classify(
        self, state: dict[str, Any], query_x: Tensor, training: bool | None = False
    ) -> Tensor:
        """Logits `[tasks, queries, way]`, each task under its own weights."""
        return self._map_tasks(
            lambda task: self.classify_task(*task, training)[0], (state, query_x), training
        )

    def _map_tasks(self, function, inputs, training):
        """`differentiation.map_tasks`, where each task has seeds of its own for random layers."""
        tasks = ops.shape(tree.flatten(inputs)[0])[0]
        own = stateless.variables(self.network).seeds

        def one(inputs):
            task, seeds = inputs
            with differentiation.scope(zip(own, seeds, strict=True)):
                return function(task)

        seeds = stateless.seeds_of_tasks(self.network, tasks, training)
        return differentiation.map_tasks(one, (inputs, seeds))

    def task_state(
        self, network: NetworkState, support: Support, training: bool, bn_mode: str
    ) -> dict[str, Any]:
        """The state of one task, whose inner loop left the `NetworkState` `network`."""
        state, counted = {"weights": network.weights}, self.counted(support)
        if bn_mode == "support":
            own = differentiation.read(self.network.non_trainable_weights)
            _, network = stateless.apply(
                self.network,
                network._replace(fixed=own),
                support.x,
                training,
                batch=True,
                momentum=0.0,
                counted=counted,
            )
            state["fixed"] = network.fixed
        elif bn_mode == "support+1":
            state["support_x"], state["counted"] = support.x, counted
        elif bn_mode == "running" and not training:
            state["fixed"] = network.fixed
        assign(stateless.variables(self.network).seeds, network.seeds)
        return state

    def classify_task(
        self, state: dict[str, Any], query_x: Tensor, training: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits `[queries, way]` of one task, and the statistics as the queries moved them."""
        own = stateless.variables(self.network)
        network = NetworkState(
            state["weights"],
            # An adapted classifier holds all of these: its export must not read the network's.
            state.get("fixed") or differentiation.read(own.fixed),
            differentiation.read(own.seeds),
        )

        def with_support(query):
            images = ops.concatenate([state["support_x"], query[None]], axis=0)
            counted = ops.pad(state["counted"], [[0, 1]], constant_values=1.0)
            logits, _ = stateless.apply(
                self.network, network, images, training, batch=True, counted=counted
            )
            return logits[-1]

        if "support_x" in state:
            return differentiation.map_tasks(with_support, query_x), network.fixed
        logits, network = stateless.apply(
            self.network, network, query_x, training, batch="fixed" not in state
        )
        assign(own.seeds, network.seeds)
        return logits, network.fixed

    def counted(self, support: Support) -> Tensor:
        """`[items]`, 1 for each row of one task's support set and 0 for padding."""
        return ops.cast(valid_items(support.y), support.x.dtype)

    def support_loss(self, logits: Tensor, support: Support) -> Tensor:
        """The loss that the inner loop lowers, a scalar."""
        check_way(logits.shape[-1], support)
        return support_cross_entropy(logits, support.y)

    def task_loss(self, inputs: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        (support, query_x), *targets = inputs
        state = self.task_state(self.inner_loop(support, True), support, True, self.bn_mode)
        logits, fixed = self.classify_task(state, query_x, True)
        return logits, fixed, self.query_loss(logits, *targets)
