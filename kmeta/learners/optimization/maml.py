"""Model-Agnostic Meta-Learning (Finn, Abbeel & Levine 2017)."""

import keras
from keras import ops

from kmeta.layers.batch_normalization import batch_norm_statistics
from kmeta.learners.meta_learner import MetaLearner
from kmeta.ops import differentiation
from kmeta.ops.losses import support_cross_entropy


@keras.saving.register_keras_serializable("kmeta")
class MAML(MetaLearner):
    """MAML: an initialisation from which a few gradient steps on a support set lead far.

    Inner loop, from `theta_0 = theta` (Finn et al. 2017, equation 1):
    `theta_{j+1} = theta_j - inner_lr * grad L_support(theta_j)`.
    Outer loop: `theta <- theta - beta * grad_theta mean_tasks L_query(theta_k)`, through any Keras
    optimizer. The gradient runs through the inner steps and is exact to second order, stock Keras
    normalisation layers included. One task's graph is held in memory at a time.

    Args:
        network: any Keras model, images `[batch, ...]` to logits `[batch, way]`. All its trainable
            weights adapt.
        inner_steps: gradient steps on the support set in training.
        inner_lr: their learning rate. The inner loss is a mean over the support set.
        first_order: ignore the second derivatives (first-order MAML, FOMAML).
        test_inner_steps: steps outside training (`evaluate`, `predict`, `adapt`). Default:
            `inner_steps`.
        bn_mode: statistics of batch normalisation for queries. `"support"`: those of the support
            set under the adapted weights, so that queries do not depend on each other.
            `"batch"`: those of the queries themselves (transductive), as published.
            `"running"`: moving averages outside training, the batch's in training.
            The support set itself is always normalised by its own statistics, but for
            `"running"` outside training.

    An adapted `Classifier` never depends on its batch: with `"batch"` it uses the statistics of
    the support set, as with `"support"`.

    Raises:
        ValueError: if an argument is out of range, or labels have another `way` than the network.

    Deviations: the published inner loss is a sum over classes of a mean over shots, so published
    rates of 0.4 (5-way) and 0.1 (20-way) are 2.0 for the mean used here. The default, 0.4, learns
    faster in short runs.
    """

    def __init__(
        self,
        network,
        inner_steps=1,
        inner_lr=0.4,
        first_order=False,
        test_inner_steps=None,
        bn_mode="support",
        **kwargs,
    ):
        super().__init__(network, bn_mode, ("support", "batch", "running"), **kwargs)
        test_inner_steps = inner_steps if test_inner_steps is None else test_inner_steps
        for name, steps in (("inner_steps", inner_steps), ("test_inner_steps", test_inner_steps)):
            if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
                raise ValueError(
                    f"Argument `{name}` must be a positive integer. Received: {name}={steps!r}"
                )
        if not inner_lr > 0:
            raise ValueError(f"Argument `inner_lr` must be positive. Received: inner_lr={inner_lr}")
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.first_order = first_order
        self.test_inner_steps = test_inner_steps

    @property
    def deployed_bn_mode(self):
        return "running" if self.bn_mode == "running" else "support"

    def adapt_state(self, support, training=False):
        """`{"weights": [...]}`, each `[tasks, ...]`, and under `"fixed"` the statistics and other
        weights that did not adapt, unless queries bring their own statistics."""
        return self._adapt_tasks(support, training, fixed=self.bn_mode != "batch")

    def deployed_state(self, support):
        return self._adapt_tasks(support, training=False, fixed=True)

    def deployed_weights(self):
        return []  # the state holds every weight

    def classify(self, state, query_x, training=False):
        """Logits `[tasks, queries, way]`, each task under its own weights."""
        return differentiation.map_tasks(
            lambda task: self._classify_task(*task, training)[0], (state, query_x)
        )

    def train_step(self, data):
        """One outer step: the mean query loss of the tasks after their inner steps."""
        episode, query_y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weighted = sample_weight is not None
        weights = differentiation.read(self.network.trainable_weights)

        def task(inputs):
            (support, query_x), query_y, *sample_weight = inputs

            def query_loss(weights):
                state = self._adapt_task(support, weights, True, fixed=self.bn_mode == "support")
                logits, fixed = self._classify_task(state, query_x, True)
                own = self.network.trainable_weights
                with keras.StatelessScope(zip(own, weights, strict=True)):
                    loss = self.compute_loss(
                        y=query_y[None],
                        y_pred=logits[None],
                        sample_weight=sample_weight[0][None] if weighted else None,
                    )
                return self.optimizer.scale_loss(loss), (loss, logits, fixed)

            (_, (loss, logits, fixed)), gradients = differentiation.value_and_gradients(
                query_loss, weights
            )
            return (loss, fixed, gradients), logits

        inputs = (episode, query_y, sample_weight) if weighted else (episode, query_y)
        (loss, fixed, gradients), logits = differentiation.mean_over_tasks(task, inputs)
        if self.bn_mode != "support":
            for variable, value in zip(self.network.non_trainable_weights, fixed, strict=True):
                variable.assign(value)
        self.optimizer.apply(gradients, self.network.trainable_weights)
        self._loss_tracker.update_state(loss * differentiation.replicas())  # Keras divided it
        return self.compute_metrics(episode, query_y, logits, sample_weight)

    def _adapt_tasks(self, support, training, fixed):
        weights = differentiation.read(self.network.trainable_weights)
        return differentiation.map_tasks(
            lambda task: self._adapt_task(task, weights, training, fixed), support
        )

    def _adapt_task(self, support, weights, training, fixed):
        """Inner loop of one task (equation 1); with `fixed`, the support set's statistics too."""
        own = self.network.non_trainable_weights
        batch = training or self.bn_mode != "running"

        def support_loss(weights):
            logits, _ = self._apply(weights, own, support.x, training, batch)
            if logits.shape[-1] != support.y.shape[-1]:
                raise ValueError(
                    f"The network predicts {logits.shape[-1]} classes, but the support set has "
                    f"{support.y.shape[-1]}. Give the network as many outputs as the tasks have "
                    "classes"
                )
            return support_cross_entropy(logits, support.y), None

        for _ in range(self.inner_steps if training else self.test_inner_steps):
            _, gradients = differentiation.value_and_gradients(support_loss, weights)
            if self.first_order:
                gradients = [ops.stop_gradient(gradient) for gradient in gradients]
            weights = [
                weight - self.inner_lr * gradient
                for weight, gradient in zip(weights, gradients, strict=True)
            ]
        if not fixed:
            return {"weights": weights}
        if self.bn_mode == "running":
            return {"weights": weights, "fixed": differentiation.read(own)}
        _, statistics = self._apply(weights, own, support.x, training, batch=True, momentum=0.0)
        return {"weights": weights, "fixed": statistics}

    def _classify_task(self, state, query_x, training):
        """Logits `[queries, way]` of one task, and the statistics as the queries moved them."""
        own = self.network.non_trainable_weights
        if self.bn_mode == "running":
            batch = training
        else:
            batch = "fixed" not in state
        return self._apply(state["weights"], state.get("fixed", own), query_x, training, batch)

    def _apply(self, weights, fixed, x, training, batch, momentum=None):
        """The network under given weights: logits, and its weights that do not adapt, as moved."""
        network = self.network
        own = network.non_trainable_weights
        mapping = [
            *zip(network.trainable_weights, weights, strict=True),
            *zip(own, fixed, strict=True),
        ]
        with (
            keras.StatelessScope(mapping) as scope,
            differentiation.exact_moments(),
            batch_norm_statistics(network, batch, momentum),
        ):
            logits = network(x, training=training)
        kept = {id(variable) for variable in network.weights}
        for variable in network.variables:  # seeds: dropout differs from step to step
            if id(variable) not in kept and scope.get_current_value(variable) is not None:
                variable.assign(scope.get_current_value(variable))
        return logits, [scope.get_current_value(variable) for variable in own]

    def get_config(self):
        return {
            **super().get_config(),
            "inner_steps": self.inner_steps,
            "inner_lr": self.inner_lr,
            "first_order": self.first_order,
            "test_inner_steps": self.test_inner_steps,
        }
