"""Model-Agnostic Meta-Learning (Finn, Abbeel & Levine 2017)."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kmeta.checks import is_finite, one_of, positive, true_or_false, whole_number
from kmeta.episode import Support, Tensor
from kmeta.learners import stateless
from kmeta.learners.classifier import Classifier
from kmeta.learners.optimization.gradient_learner import BN_MODES, GradientLearner
from kmeta.learners.stateless import NetworkState
from kmeta.ops import differentiation
from kmeta.ops.losses import support_squared_error


@keras.saving.register_keras_serializable("kmeta")
class MAML(GradientLearner):
    """MAML: an initialisation from which a few gradient steps on a support set lead far.

    Inner loop, from `theta_0 = theta` (Finn et al. 2017, equation 1):
    `theta_{j+1} = theta_j - inner_lr * grad L_support(theta_j)`.
    Outer loop: `theta <- theta - beta * grad_theta mean_tasks L_query(theta_k)`, through any Keras
    optimizer. The gradient runs through the inner steps and is exact to second order, stock Keras
    normalisation layers included. Memory holds the graphs of two tasks at a time.

    Args:
        network: any Keras model, images `[batch, ...]` to logits `[batch, way]`. All its trainable
            weights adapt.
        inner_steps: gradient steps on the support set in training.
        inner_lr: their learning rate, or a list with one for each of the network's trainable
            weights (0 leaves a weight as it is). The inner loss is a mean over the support set.
        first_order: ignore the second derivatives (first-order MAML, FOMAML).
        test_inner_steps: steps outside training (`evaluate`, `predict`, `adapt`); 0 for none.
            Default: `inner_steps`.
        bn_mode: statistics of batch normalisation for queries. `"support"`: those of the support
            set under the adapted weights, so that queries do not depend on each other.
            `"support+1"`: those of the support set and one query, for each query.
            `"batch"`: those of the queries themselves (transductive), as published.
            `"running"`: moving averages outside training, the batch's in training; training with
            `"support"` or `"support+1"` leaves the averages as they are.
            The support set itself is always normalised by its own statistics, but for
            `"running"` outside training.
        inner_loss: `"cross_entropy"`, or `"mean_squared_error"` for regression: then `support.y` is
            `[tasks, items, outputs]`, float, and so are queries' targets and predictions; the
            default outer loss is the same.
        remat: compute every inner step twice in the backward pass. Memory then grows by one copy
            of the weights a step instead of by all activations; on a CPU it costs no time.

    `learner.with_options(bn_mode="batch")` is a copy that is scored by other statistics, and
    `with_options(test_inner_steps=10)` one that takes other steps.

    An adapted `Classifier` never depends on its batch: with `"batch"` and `"support+1"` it uses
    the statistics of the support set, as with `"support"`.

    Raises:
        ValueError: if an argument is out of range, or labels have another `way` than the network.

    Deviations: the published inner loss is a sum over classes of a mean over shots, so published
    rates of 0.4 (5-way) and 0.1 (20-way) are 2.0 for the mean used here. The default, 0.4, learns
    faster in short runs. In the authors' code the shifts of batch normalisation do not adapt; here
    all trainable weights do, unless `inner_lr` is a list with 0 for them.

    Example:
        >>> network = keras.Sequential([keras.layers.Dense(2)])
        >>> learner = kmeta.MAML(network, inner_steps=20, inner_lr=1.0)
        >>> x = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
        >>> np.array(learner.adapt(x, ["down", "up"])(x)).argmax(-1)
        array([0, 1])
    """

    def __init__(
        self,
        network: keras.Layer,
        inner_steps: int = 1,
        inner_lr: float | Sequence[float] = 0.4,
        first_order: bool = False,
        test_inner_steps: int | None = None,
        bn_mode: str = "support",
        inner_loss: str = "cross_entropy",
        remat: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, bn_mode, BN_MODES, **kwargs)
        test_inner_steps = inner_steps if test_inner_steps is None else test_inner_steps
        self.inner_steps = whole_number("inner_steps", inner_steps, 1)
        self.inner_lr = _rates(inner_lr)
        self.first_order = true_or_false("first_order", first_order)
        self.test_inner_steps = whole_number("test_inner_steps", test_inner_steps, 0)
        self.inner_loss = one_of("inner_loss", inner_loss, ("cross_entropy", "mean_squared_error"))
        self.remat = true_or_false("remat", remat)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        weights = len(self.network.trainable_weights)
        if isinstance(self.inner_lr, list) and len(self.inner_lr) != weights:
            raise ValueError(
                f"Argument `inner_lr` must hold a rate for each of the network's {weights} "
                f"trainable weights. Received: {len(self.inner_lr)} rates"
            )

    def compile(
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        if loss is None and self.inner_loss == "mean_squared_error":
            loss = "mean_squared_error"
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def adapt(
        self, support_x: ArrayLike, support_y: ArrayLike, class_names: Sequence[str] | None = None
    ) -> Classifier:
        if self.inner_loss != "cross_entropy":
            raise ValueError(
                "`adapt` makes classifiers. For regression, call the learner on an Episode, or use "
                f"`predict`. Received: a learner with inner_loss={self.inner_loss!r}"
            )
        return super().adapt(support_x, support_y, class_names)

    def with_options(self, **options: Any) -> Any:
        if options.get("bn_mode") == "running" and self.bn_mode.startswith("support"):
            warnings.warn(
                f"Training with bn_mode={self.bn_mode!r} does not move the averages that "
                "bn_mode='running' uses. Train with 'batch' or 'running' to score by them",
                stacklevel=2,
            )
        return super().with_options(**options)

    def support_loss(self, logits: Tensor, support: Support) -> Tensor:
        if self.inner_loss == "cross_entropy":
            return super().support_loss(logits, support)
        if logits.shape[1:] != support.y.shape[1:]:
            raise ValueError(
                f"The network predicts {tuple(logits.shape[1:])} numbers for each item, but the "
                f"support set has targets of the shape {tuple(support.y.shape[1:])}"
            )
        return support_squared_error(logits, support.y)

    def counted(self, support: Support) -> Tensor:
        if self.inner_loss == "cross_entropy":
            return super().counted(support)
        return ops.ones(ops.shape(support.x)[:1], support.x.dtype)

    def inner_loop(self, support: Support, training: bool) -> NetworkState:
        """Gradient descent on one support set (equation 1)."""
        theta = stateless.read(self.network)
        rates = self.inner_lr
        rates = rates if isinstance(rates, list) else [rates] * len(theta.weights)
        batch = training or self.bn_mode != "running"
        counted = self.counted(support)

        def step(_, state, given):
            weights, seeds = state

            def loss(weights):
                network = NetworkState(weights, theta.fixed, seeds)
                logits, moved = stateless.apply(
                    self.network, network, support.x, training, batch, counted=counted
                )
                return self.support_loss(logits, support), moved.seeds

            (_, seeds), gradients = differentiation.value_and_gradients(loss, weights)
            parts = zip(weights, rates, gradients, strict=True)
            return [weight - rate * gradient for weight, rate, gradient in parts], seeds

        start = theta.weights
        if self.first_order:
            start = [ops.stop_gradient(weight) for weight in start]
        steps = self.inner_steps if training else self.test_inner_steps
        end, seeds = differentiation.repeat(step, steps, (start, theta.seeds), remat=self.remat)
        if self.first_order:  # the gradient by the last weights is given to the first
            end = [w + ops.stop_gradient(v - w) for w, v in zip(theta.weights, end, strict=True)]
        return NetworkState(end, theta.fixed, seeds)

    def get_config(self) -> dict[str, Any]:
        rates = self.inner_lr
        return {
            **super().get_config(),
            "inner_steps": self.inner_steps,
            "inner_lr": list(rates) if isinstance(rates, list) else rates,
            "first_order": self.first_order,
            "test_inner_steps": self.test_inner_steps,
            "inner_loss": self.inner_loss,
            "remat": self.remat,
        }


def _rates(inner_lr):
    """One rate as float or, of a list, a tuple or an array of rates, a list of them."""
    if not isinstance(inner_lr, (list, tuple)) and np.ndim(inner_lr) == 0:
        return positive("inner_lr", inner_lr)
    if not all(is_finite(rate) and rate >= 0 for rate in inner_lr):
        raise ValueError(
            "Argument `inner_lr` must hold finite rates of at least 0. "
            f"Received: inner_lr={inner_lr}"
        )
    return [float(rate) for rate in inner_lr]
