"""Reptile (Nichol, Achiam & Schulman 2018)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import one_of, positive, seed_number, whole_number
from kmeta.episode import Support, Tensor
from kmeta.learners import stateless
from kmeta.learners.optimization.gradient_learner import GradientLearner
from kmeta.learners.stateless import NetworkState, assign
from kmeta.ops import differentiation
from kmeta.ops.adam import adam_step


@keras.saving.register_keras_serializable("kmeta")
class Reptile(GradientLearner):
    """Reptile: move the initial weights toward those that training on each task leads to.

    For a task: `W = U^k(theta)`, k steps of the inner optimizer on mini-batches of its support set
    (Nichol et al. 2018, algorithm 1). For a step of n tasks (algorithm 2):
    `theta <- theta + epsilon * mean_i(W_i - theta)`.
    `theta - mean_i(W_i)` is handed to the compiled optimizer as if it were a gradient, so that
    `keras.optimizers.SGD(epsilon)` is the paper's rule, a Keras schedule anneals epsilon, and any
    other optimizer may take its place. One task a step is the serial version.

    Queries do not enter the update: train on episodes with more shots (10 a class as published) and
    one query; the loss and accuracy that `fit` reports are those of the queries after the inner
    steps.

    The inner optimizer is Adam with `beta_1 = 0`. Its second moments pass from task to task in
    training and are saved with the learner; outside training every task starts from them, and
    they come out unchanged. Mini-batches go through random orders of the support set, each item
    once before any comes again.

    Args:
        network: any Keras model, images `[batch, ...]` to logits `[batch, way]`. All its trainable
            weights adapt.
        inner_steps: steps of the inner optimizer on a task in training.
        inner_lr: their learning rate.
        inner_batch: items in a mini-batch in training. None: the whole support set.
        test_inner_steps, test_inner_batch: the same outside training (`evaluate`, `predict`,
            `adapt`).
        inner_optimizer: `"adam"`, or `"sgd"` for plain gradient descent.
        bn_mode: statistics of batch normalisation for queries. `"support"`: those of the support
            set under the adapted weights. `"support+1"`: those of the support set and one query,
            for each query, as published for the results that are not transductive. `"batch"`:
            those of all queries (transductive). Mini-batches are normalised by their own
            statistics. An adapted `Classifier` uses those of the support set.
        seed: of the mini-batches, an integer in [0, 2**32).

    Raises:
        ValueError: if an argument is out of range, or labels have another `way` than the network.

    Deviations: none known in the published setting, which is `inner_batch=10`,
    `test_inner_batch=5` for 5-way tasks, SGD from 1 to 0 outside.

    Example:
        >>> network = keras.Sequential([keras.layers.Dense(2)])
        >>> learner = kmeta.Reptile(network, inner_lr=0.1, test_inner_steps=30)
        >>> x = np.array([[0.0, 1.0], [1.0, 0.0]], "float32")
        >>> np.array(learner.adapt(x, ["down", "up"])(x)).argmax(-1)
        array([0, 1])
    """

    def __init__(
        self,
        network: keras.Layer,
        inner_steps: int = 5,
        inner_lr: float = 1e-3,
        inner_batch: int = 10,
        test_inner_steps: int = 50,
        test_inner_batch: int = 5,
        inner_optimizer: str = "adam",
        bn_mode: str = "support",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, bn_mode, ("support", "support+1", "batch"), **kwargs)
        self.inner_steps = whole_number("inner_steps", inner_steps, 1)
        self.inner_lr = positive("inner_lr", inner_lr)
        self.inner_batch = _size("inner_batch", inner_batch)
        self.test_inner_steps = whole_number("test_inner_steps", test_inner_steps, 0)
        self.test_inner_batch = _size("test_inner_batch", test_inner_batch)
        self.inner_optimizer = one_of("inner_optimizer", inner_optimizer, ("adam", "sgd"))
        self.seed = seed_number(seed)
        self.second_moments = []

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.second_moments:
            return
        self.steps_taken = self.add_weight(  # inner steps of all training so far
            dtype="int32",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="steps_taken",
        )
        self.second_moments = [
            self.add_weight(
                shape=weight.shape,
                dtype=weight.dtype,
                initializer="zeros",
                trainable=False,
                aggregation="mean",
                name=f"second_moment_{i}",
            )
            for i, weight in enumerate(self.network.trainable_weights)
        ]

    def inner_loop(self, support: Support, training: bool) -> NetworkState:
        moments = differentiation.read(self.second_moments)
        (taken,) = differentiation.read([self.steps_taken])
        network, _ = self.train_on(support, moments, taken, training)
        return network

    def train_on(
        self, support: Support, moments: Tensor, taken: Tensor, training: bool
    ) -> tuple[NetworkState, list[Tensor]]:
        """The network and the second moments after training on one task (algorithm 1, line 4).

        Args:
            support: `Support` of one task.
            moments: second moments to begin with.
            taken: inner steps before these.
            training: as in Keras.

        Returns:
            `(NetworkState, moments)`.
        """
        theta = stateless.read(self.network)
        if len(moments) != len(theta.weights):
            raise ValueError(
                f"The network has {len(theta.weights)} trainable weights, but had {len(moments)} "
                "when the learner was built. Set `trainable` before, or make a new learner of the "
                "network"
            )
        steps = self.inner_steps if training else self.test_inner_steps
        batches = self._batches(support, steps, taken, training)

        def step(index, state, _):
            weights, moments, seeds = state
            batch = batches(index)

            def loss(weights):
                logits, moved = stateless.apply(
                    self.network,
                    NetworkState(weights, theta.fixed, seeds),
                    batch.x,
                    training,
                    batch=True,
                    counted=self.counted(batch),
                )
                return self.support_loss(logits, batch) + self._penalty(weights), moved.seeds

            (_, seeds), gradients = differentiation.value_and_gradients(loss, weights)
            weights, moments = self._update(weights, gradients, moments, taken + index + 1)
            return weights, moments, seeds

        state = theta.weights, moments, theta.seeds
        weights, moments, seeds = differentiation.repeat(step, steps, state)
        return NetworkState(weights, theta.fixed, seeds), moments

    def _update(self, weights, gradients, moments, step):
        """Weights and second moments after one step of the inner optimizer, the step-th of all."""
        if self.inner_optimizer == "sgd":
            return [w - self.inner_lr * g for w, g in zip(weights, gradients, strict=True)], moments
        pairs = [
            adam_step(*parts, step, self.inner_lr)
            for parts in zip(weights, gradients, moments, strict=True)
        ]
        return [weight for weight, _ in pairs], [moment for _, moment in pairs]

    def _penalty(self, weights):
        """The regularisation of the network's weights, which inner steps lower too."""
        network = self.network
        with keras.StatelessScope(zip(network.trainable_weights, weights, strict=True)):
            return sum(ops.cast(loss, self.compute_dtype) for loss in network.losses)

    def _batches(self, support, steps, taken, training):
        """A function from the number of a step to its mini-batch."""
        size = self.inner_batch if training else self.test_inner_batch
        if size is None:
            return lambda index: support
        number = taken if training else -1  # outside training, all tasks take the same order
        items = ops.shape(support.x)[0]
        counted = self.counted(support)
        rows = differentiation.shuffles(self.seed, number, items, steps * size, counted)
        rows = ops.reshape(rows, (steps, size))
        return lambda index: Support(*(ops.take(part, rows[index], axis=0) for part in support))

    def outer_step(self, data: Any) -> dict[str, Any]:
        """One outer step: toward the mean of the weights to which the tasks lead."""
        episode, query_y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        trainable = self.network.trainable_weights
        start = differentiation.read(trainable)

        seeded = stateless.variables(self.network).seeds

        def task(inputs, carry):
            ((support, query_x), *targets), seeds = inputs
            moments, taken = carry
            with differentiation.scope(zip(seeded, seeds, strict=True)):
                network, moments = self.train_on(support, moments, taken, True)
                state = self.task_state(network, support, True, self.bn_mode)
                logits, _ = self.classify_task(state, query_x, True)
            loss = self.query_loss(logits, *targets)
            return (loss, network.weights), logits, (moments, taken + self.inner_steps)

        inputs = (episode, query_y) if sample_weight is None else (episode, query_y, sample_weight)
        carry = (
            differentiation.read(self.second_moments),
            *differentiation.read([self.steps_taken]),
        )
        seeds = stateless.seeds_of_tasks(self.network, ops.shape(query_y)[0], True)
        (loss, weights), logits, carry = differentiation.mean_over_tasks(
            task, (inputs, seeds), carry
        )
        assign([*self.second_moments, self.steps_taken], [*carry[0], carry[1]])
        replicas = differentiation.replicas()
        toward = [
            self.optimizer.scale_loss((old - new) / replicas)
            for old, new in zip(start, weights, strict=True)
        ]
        self.optimizer.apply(toward, trainable)
        self.track_loss(loss, query_y)
        return self.compute_metrics(episode, query_y, logits, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inner_steps": self.inner_steps,
            "inner_lr": self.inner_lr,
            "inner_batch": self.inner_batch,
            "test_inner_steps": self.test_inner_steps,
            "test_inner_batch": self.test_inner_batch,
            "inner_optimizer": self.inner_optimizer,
            "seed": self.seed,
        }


def _size(name, value):
    return None if value is None else whole_number(name, value, 1)
