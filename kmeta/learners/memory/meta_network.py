"""Meta Networks (Munkhdalai & Yu 2017)."""

from functools import partial
from typing import Any

import keras
from keras import ops, tree

from kmeta.checks import whole_number
from kmeta.episode import Support, Tensor
from kmeta.layers.augmented import AugmentedConvNet
from kmeta.layers.fast_weights import ExampleFastWeights, TaskFastWeights
from kmeta.learners.networks import check_way
from kmeta.learners.task_by_task import TaskByTask
from kmeta.ops import differentiation
from kmeta.ops.coordinates import generated
from kmeta.ops.fast_weights import Kernels, embed, meta_information, mix
from kmeta.ops.padding import valid_items


@keras.saving.register_keras_serializable("kmeta")
class MetaNetwork(TaskByTask):
    """Meta Networks: fast weights, made of gradients, beside the slow weights of two networks.

    For a task (Munkhdalai & Yu 2017, algorithm 1), with the embedding `u` of slow weights `Q` and
    the base learner `b` of slow weights `W`:
    1. `Q* = d(G, grad_1 .. grad_T)`, by an LSTM, of the gradients of `u`'s cross-entropy on each
       support item by `Q`;
    2. for each support item, `W*_i = m(Z, grad_i)` of the gradient of `b`'s cross-entropy on it by
       `W`, and a key `r_i = u(Q, Q*, x_i)`;
    3. for a query, `W* = sum_i a_i W*_i`, `a = softmax_i(cos(r_i, u(Q, Q*, x)))`, and the logits
       `b(W, W*, x)`.
    Gradients count as constants, so that nothing is differentiated twice. The answer depends on the
    order of the support set, as published.

    Args:
        network: `kmeta.layers.AugmentedConvNet`, the base learner, with as many outputs as the
            tasks have classes.
        embedding: another one. Default: one like `network`. Its head serves the gradients of step 1
            alone; the loss does not depend on it but through them, so it stays as drawn.
        units: of the LSTM and of both hidden layers of `m`.

    Raises:
        ValueError: if an argument is none of those above, or labels have another `way` than the
            network.

    Deviations: the paper draws all weights from U(-0.1, 0.1); see `AugmentedConvNet`. For tasks of
    more than 5 items the authors' code gives `d` five gradients of parts of the support set; here
    it reads one an item. The loss of step 1 is the cross-entropy of the classes, by a head of `u`,
    for any number of shots; Weng's survey (2018, steps 1a and 2 of the training process) has a
    verification loss there, of whether two random support items are of one class.

    Example:
        >>> learner = kmeta.MetaNetwork(kmeta.layers.AugmentedConvNet(way=3, filters=4, blocks=2))
        >>> x = np.random.default_rng(0).random((3, 8, 8, 1)).astype("float32")
        >>> learner.adapt(x, [0, 1, 2])(x).shape
        TensorShape([3, 3])
    """

    def __init__(
        self,
        network: keras.Layer,
        embedding: keras.Layer | None = None,
        units: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(network, kwargs.pop("bn_mode", "none"), ("none",), **kwargs)
        for name, value in (("network", network), ("embedding", embedding)):
            if not isinstance(value, AugmentedConvNet) and (name, value) != ("embedding", None):
                raise ValueError(
                    f"Argument `{name}` must be a `kmeta.layers.AugmentedConvNet`. "
                    f"Received: {value!r} of type {type(value).__name__}"
                )
        if embedding is None:
            embedding = AugmentedConvNet.from_config({**network.get_config(), "name": "embedding"})
        self.embedding = embedding
        self.units = whole_number("units", units)
        options = {"units": units, "dtype": self.dtype_policy}
        self.task_fast = [TaskFastWeights(**options) for _ in range(2)]
        self.example_fast = [ExampleFastWeights(**options) for _ in range(2)]

    @property
    def deployed_bn_mode(self) -> str:
        return self.bn_mode

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if not self.embedding.built:
            self.embedding.build((None, *self.image_shape))
        self.embedding.head.trainable = False
        for layer in (*self.task_fast, *self.example_fast):
            if not layer.built:
                layer.build()

    def adapt_state(
        self, support: Support, training: bool | None = False, deployed: bool = False
    ) -> dict[str, Any]:
        """`{"keys", "valid", "values", "task_fast"}`: the memory's `r_i` and `W*_i`, and `Q*`."""
        return differentiation.map_tasks(self._task_state, support)

    def _task_state(self, support):
        """Algorithm 1, the support set."""
        check_way(self.network.way, support)
        x, labels = ops.cast(support.x, self.compute_dtype), support.y
        valid = ops.cast(valid_items(labels), x.dtype)
        Q, W = self._slow(self.embedding), self._slow(self.network)
        # 1-4: grad_i = dL(u(Q, x_i), y_i)/dQ, and Q* = d(G, grad_1 .. grad_T)
        gradients = meta_information(x, labels, Q).without_head()
        task_fast = generated(*(partial(d, valid=valid) for d in self.task_fast), gradients)
        # 5-7: grad_i = dL(b(W, x_i), y_i)/dW, and W*_i = m(Z, grad_i)
        values = generated(*self.example_fast, meta_information(x, labels, W))
        # 8: r_i = u(Q, Q*, x_i)
        keys = embed(x, Q, task_fast)
        return {
            "keys": keys,
            "valid": valid,
            "values": values._asdict(),
            "task_fast": task_fast._asdict(),
        }

    def classify(
        self, state: dict[str, Any], query_x: Tensor, training: bool | None = False
    ) -> Tensor:
        return differentiation.map_tasks(lambda task: self._classify_task(*task), (state, query_x))

    def _classify_task(self, state, query_x):
        """Algorithm 1, the queries."""
        x = ops.cast(query_x, self.compute_dtype)
        # 11: r = u(Q, Q*, x)
        r = embed(x, self._slow(self.embedding), Kernels(**state["task_fast"]))
        # 12-13: a = softmax_i(cos(r_i, r)), and W* = sum_i a_i W*_i
        fast = mix(state["keys"], state["valid"], Kernels(**state["values"]), r)
        # 14: the logits b(W, W*, x)
        return self.network(x, fast)

    def task_loss(self, inputs: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        (support, query_x), *targets = inputs
        logits = self._classify_task(self._task_state(support), query_x)
        return logits, [], self.query_loss(logits, *targets)

    def _slow(self, network):
        """The kernels of a network, in the type in which the learner computes."""
        return tree.map_structure(lambda w: ops.cast(w, self.compute_dtype), network.kernels)

    def deployed_weights(self) -> list[keras.Variable]:
        return tree.flatten((self.network.kernels, self.embedding.kernels.without_head()))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "embedding": keras.saving.serialize_keras_object(self.embedding),
            "units": self.units,
        }
