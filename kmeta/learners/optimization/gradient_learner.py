"""What learners share that adapt the weights of a network, task by task."""

from typing import Any

import keras
from keras import ops, tree

from kmeta.episode import Support, Tensor
from kmeta.learners.meta_learner import MetaLearner
from kmeta.learners.networks import check_way
from kmeta.learners.optimization import stateless
from kmeta.learners.optimization.stateless import NetworkState, assign
from kmeta.ops import differentiation
from kmeta.ops.losses import support_cross_entropy
from kmeta.ops.padding import valid_items

BN_MODES = ("support", "support+1", "batch", "running")


class GradientLearner(MetaLearner):
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

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        if getattr(loss, "reduction", None) == "sum":
            raise ValueError(
                "Argument `loss` must not be a sum, as losses of single tasks are averaged. "
                f"Received: loss={loss!r} with reduction='sum'"
            )
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

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

    def train_step(self, *arguments: Any) -> Any:
        """Keras': one outer step on a batch of tasks."""
        return differentiation.training_step(self, self.outer_step, *arguments)

    def outer_step(self, data: Any) -> dict[str, Any]:
        """One outer step: the mean query loss of the tasks after their inner loops."""
        episode, query_y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        values = differentiation.read(variables)
        own = stateless.variables(self.network)

        def task(inputs, carry):
            inputs, seeds = inputs

            def query_loss(values):
                mapping = zip([*variables, *own.seeds], [*values, *seeds], strict=True)
                with differentiation.scope(mapping):
                    logits, fixed, loss = self.task_loss(inputs)
                return self.optimizer.scale_loss(loss), (loss, logits, fixed)

            (_, extra), gradients = differentiation.value_and_gradients(query_loss, values)
            loss, logits, fixed = extra
            return (loss, fixed, gradients), logits, carry

        inputs = (episode, query_y) if sample_weight is None else (episode, query_y, sample_weight)
        seeds = stateless.seeds_of_tasks(self.network, ops.shape(query_y)[0], True)
        (loss, fixed, gradients), logits, _ = differentiation.mean_over_tasks(task, (inputs, seeds))
        if self.bn_mode in ("batch", "running"):
            assign(own.fixed, fixed)
        self.optimizer.apply(gradients, variables)
        self.track_loss(loss, query_y)
        return self.compute_metrics(episode, query_y, logits, sample_weight)

    def track_loss(self, loss: Tensor, query_y: Tensor) -> None:
        """Count the mean loss of a step's tasks in that of the epoch, by their number."""
        loss = loss * differentiation.replicas()  # Keras divided it
        self._loss_tracker.update_state(loss, sample_weight=ops.shape(query_y)[0])

    def task_loss(self, inputs: Tensor) -> Any:
        """Logits of one task's queries in training, the statistics as they moved, and the loss."""
        (support, query_x), *targets = inputs
        state = self.task_state(self.inner_loop(support, True), support, True, self.bn_mode)
        logits, fixed = self.classify_task(state, query_x, True)
        return logits, fixed, self.query_loss(logits, *targets)

    def query_loss(self, logits: Tensor, query_y: Tensor, sample_weight: Any = None) -> Tensor:
        """The compiled loss of one task's queries, with the network's regularisation."""
        return self.compute_loss(
            y=query_y[None],
            y_pred=logits[None],
            sample_weight=None if sample_weight is None else sample_weight[None],
        )
