"""Training on few tasks at a time, so that memory holds few graphs (`mean_over_tasks`)."""

from typing import Any

import keras
from keras import ops

from kmeta.episode import Tensor
from kmeta.learners import stateless
from kmeta.learners.meta_learner import MetaLearner
from kmeta.ops import differentiation


class TaskByTask(MetaLearner):
    """Base of learners whose outer gradient is the mean of the gradients of single tasks.

    A learner defines `task_loss(inputs)`.
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

    def task_loss(self, inputs: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """One task in training.

        Args:
            inputs: `(Episode, query_y)` or `(Episode, query_y, sample_weight)` of one task.

        Returns:
            `(logits, fixed, loss)`: of its queries; the network's other weights as the task moved
            them, see `kmeta.learners.stateless.NetworkState`; and `query_loss`.
        """
        raise NotImplementedError

    def train_step(self, *arguments: Any) -> Any:
        """Keras': one outer step on a batch of tasks."""
        return differentiation.training_step(self, self.outer_step, *arguments)

    def outer_step(self, data: Any) -> dict[str, Any]:
        """One outer step: down the mean gradient of the tasks' query losses."""
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
            stateless.assign(own.fixed, fixed)
        self.optimizer.apply(gradients, variables)
        self.track_loss(loss, query_y)
        return self.compute_metrics(episode, query_y, logits, sample_weight)

    def track_loss(self, loss: Tensor, query_y: Tensor) -> None:
        """Count the mean loss of a step's tasks in that of the epoch, by their number."""
        loss = loss * differentiation.replicas()  # Keras divided it
        self._loss_tracker.update_state(loss, sample_weight=ops.shape(query_y)[0])

    def query_loss(self, logits: Tensor, query_y: Tensor, sample_weight: Any = None) -> Tensor:
        """The compiled loss of one task's queries, with the network's regularisation."""
        return self.compute_loss(
            y=query_y[None],
            y_pred=logits[None],
            sample_weight=None if sample_weight is None else sample_weight[None],
        )
