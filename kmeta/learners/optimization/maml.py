"""Model-Agnostic Meta-Learning (Finn, Abbeel & Levine 2017)."""

import keras
from keras import ops

from kmeta.learners.optimization.gradient_learner import (
    BN_MODES,
    GradientLearner,
    positive,
    positive_integer,
)
from kmeta.ops import differentiation


@keras.saving.register_keras_serializable("kmeta")
class MAML(GradientLearner):
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
            `"support+1"`: those of the support set and one query, for each query.
            `"batch"`: those of the queries themselves (transductive), as published.
            `"running"`: moving averages outside training, the batch's in training.
            The support set itself is always normalised by its own statistics, but for
            `"running"` outside training.

    An adapted `Classifier` never depends on its batch: with `"batch"` and `"support+1"` it uses
    the statistics of the support set, as with `"support"`.

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
        super().__init__(network, bn_mode, BN_MODES, **kwargs)
        test_inner_steps = inner_steps if test_inner_steps is None else test_inner_steps
        positive_integer("inner_steps", inner_steps)
        positive_integer("test_inner_steps", test_inner_steps)
        positive("inner_lr", inner_lr)
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.first_order = first_order
        self.test_inner_steps = test_inner_steps

    def inner_loop(self, support, seeds, training):
        """Gradient descent on one support set (equation 1)."""
        start = differentiation.read(self.network.trainable_weights)
        own = differentiation.read(self.network.non_trainable_weights)
        batch = training or self.bn_mode != "running"

        def step(_, state, given):
            weights, seeds = state[: len(start)], state[len(start) :]

            def loss(weights):
                logits, _, moved = self.apply_network(
                    weights, own, seeds, support.x, training, batch
                )
                return self.support_loss(logits, support), moved

            (_, seeds), gradients = differentiation.value_and_gradients(loss, weights)
            return [
                *(w - self.inner_lr * g for w, g in zip(weights, gradients, strict=True)),
                *seeds,
            ]

        weights = [ops.stop_gradient(w) for w in start] if self.first_order else start
        steps = self.inner_steps if training else self.test_inner_steps
        state = differentiation.repeat(step, steps, [*weights, *seeds])
        weights, seeds = state[: len(start)], state[len(start) :]
        if self.first_order:  # the gradient by the last weights is given to the first
            weights = [
                w + ops.stop_gradient(end - w) for w, end in zip(start, weights, strict=True)
            ]
        return weights, own, seeds

    def get_config(self):
        return {
            **super().get_config(),
            "inner_steps": self.inner_steps,
            "inner_lr": self.inner_lr,
            "first_order": self.first_order,
            "test_inner_steps": self.test_inner_steps,
        }
