"""Optimization as a Model for Few-Shot Learning (Ravi & Larochelle 2017)."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kmeta.checks import true_or_false, whole_number
from kmeta.episode import Support
from kmeta.layers.learned_optimizer import LearnedOptimizer
from kmeta.learners import stateless
from kmeta.learners.optimization.gradient_learner import BN_MODES, GradientLearner
from kmeta.learners.stateless import NetworkState
from kmeta.ops import differentiation


@keras.saving.register_keras_serializable("kmeta")
class LSTMMetaLearner(GradientLearner):
    """LSTM meta-learner: the initial weights of a network and the optimizer that adapts it.

    Inner loop, from the learned `theta_0` (Ravi & Larochelle 2017, algorithm 1), on the whole
    support set: `theta_t = sigmoid(f_t) theta_{t-1} - sigmoid(i_t) grad L(theta_{t-1})`, where an
    LSTM over gradients and losses sets the gates, see `kmeta.layers.LearnedOptimizer`.
    Outer loop: any Keras optimizer on the query loss under `theta_T`; as published, Adam(1e-3,
    global_clipnorm=0.25). Inner gradients and losses count as constants (section 3.1), so that
    nothing is differentiated twice.

    Args:
        network: any Keras model, images `[batch, ...]` to logits `[batch, way]`. All its trainable
            weights adapt, those of normalisation layers included.
        inner_steps: updates on the support set in training; published: 12 for 1 shot, 5 for 5.
        test_inner_steps: the same outside training. Default: `inner_steps`.
        units: of the LSTM.
        bn_mode: statistics of batch normalisation for queries. `"support"`: those of the support
            set under the adapted weights. `"running"`, as published: in training those of the
            queries, else moving averages, which start anew for every task (mean 0, variance 1)
            and are gathered on its support set during the inner loop, with the momentum of the
            network's layers. The published one is 0.05 as Keras counts; with Keras' own of 0.99
            the averages hardly move. `"support+1"`: those of the support set and one query, for
            each query. `"batch"`: those of all queries (transductive). An adapted `Classifier`
            never depends on its batch: with `"batch"` and `"support+1"` it uses those of the
            support set.
        remat: compute every inner step twice in the backward pass, so that memory does not grow
            with the network's activations times `inner_steps`.

    Raises:
        ValueError: if an argument is out of range, or labels have another `way` than the network.

    Deviations: gates take their own last value before the sigmoid, as the authors' code does; the
    paper's equations take it after. That code divides the mean gradient by the batch size once
    more; this one does not.

    Example:
        >>> network = keras.Sequential([keras.layers.Dense(2)])
        >>> learner = kmeta.LSTMMetaLearner(network, inner_steps=3)
        >>> x = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
        >>> learner.adapt(x, ["down", "up"])(x).shape
        TensorShape([2, 2])
    """

    def __init__(
        self,
        network: keras.Layer,
        inner_steps: int = 8,
        test_inner_steps: int | None = None,
        units: int = 20,
        bn_mode: str = "support",
        remat: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, bn_mode, BN_MODES, **kwargs)
        test_inner_steps = inner_steps if test_inner_steps is None else test_inner_steps
        self.inner_steps = whole_number("inner_steps", inner_steps, 1)
        self.test_inner_steps = whole_number("test_inner_steps", test_inner_steps, 0)
        self.units = whole_number("units", units)
        self.remat = true_or_false("remat", remat)
        self.learned_optimizer = LearnedOptimizer(units, dtype=self.variable_dtype)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if not self.learned_optimizer.built:
            self.learned_optimizer.build()

    def inner_loop(self, support: Support, training: bool) -> NetworkState:
        """Algorithm 1, lines 5 to 11: loss and gradients, which count as constants, then update."""
        theta = stateless.read(self.network)
        like, counted = theta.weights, self.counted(support)
        ours = self.learned_optimizer.trainable_variables

        def step(_, state, given):
            parameters, memory, fixed, seeds = state

            def loss(weights):
                logits, moved = stateless.apply(
                    self.network,
                    NetworkState(weights, fixed, seeds),
                    support.x,
                    training,
                    batch=True,
                    counted=counted,
                )
                return self.support_loss(logits, support), moved

            weights = _split(ops.stop_gradient(parameters), like)
            (value, moved), gradients = differentiation.value_and_gradients(loss, weights)
            gradient, value = ops.stop_gradient(_joined(gradients)), ops.stop_gradient(value)
            with keras.StatelessScope(zip(ours, given, strict=True)):
                parameters, memory = self.learned_optimizer(parameters, gradient, value, memory)
            return parameters, memory, [ops.stop_gradient(x) for x in moved.fixed], moved.seeds

        parameters = _joined(theta.weights)
        memory = self.learned_optimizer.initial_state(parameters)
        state = parameters, memory, self._fresh_statistics(theta.fixed), theta.seeds
        steps = self.inner_steps if training else self.test_inner_steps
        parameters, _, fixed, seeds = differentiation.repeat(
            step, steps, state, given=differentiation.read(ours), remat=self.remat
        )
        return NetworkState(_split(parameters, like), fixed, seeds)

    def _fresh_statistics(self, values):
        """Values of the network's other weights, with moving averages as at the start."""
        fresh = {}
        for layer in self.network._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                fresh[id(layer.moving_mean)] = ops.zeros_like
                fresh[id(layer.moving_variance)] = ops.ones_like
        return [
            fresh.get(id(variable), lambda x: x)(value)
            for variable, value in zip(self.network.non_trainable_weights, values, strict=True)
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inner_steps": self.inner_steps,
            "test_inner_steps": self.test_inner_steps,
            "units": self.units,
            "remat": self.remat,
        }


def _joined(weights):
    """All weights as one vector of parameters."""
    return ops.concatenate([ops.reshape(weight, (-1,)) for weight in weights], axis=0)


def _split(parameters, like):
    """A vector of parameters as weights of the shapes of `like`."""
    ends = np.cumsum([math.prod(weight.shape) for weight in like])[:-1].tolist()
    parts = ops.split(parameters, ends, axis=0)
    return [ops.reshape(part, weight.shape) for part, weight in zip(parts, like, strict=True)]
