"""Meta Networks (Munkhdalai & Yu 2017)."""

import keras
from keras import ops

from kmeta.layers.augmented import AugmentedConvNet
from kmeta.layers.fast_weights import ExampleFastWeights, TaskFastWeights
from kmeta.learners.meta_learner import MetaLearner, check_way, restored
from kmeta.ops import differentiation, fast_weights
from kmeta.ops.attention import valid_items


@keras.saving.register_keras_serializable("kmeta")
class MetaNetwork(MetaLearner):
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
    """

    def __init__(self, network, embedding=None, units=20, **kwargs):
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
        self.units = units
        options = {"units": units, "dtype": self.dtype_policy}
        self.task_fast = [TaskFastWeights(**options) for _ in range(2)]
        self.example_fast = [ExampleFastWeights(**options) for _ in range(2)]

    @property
    def deployed_bn_mode(self):
        return self.bn_mode

    def build(self, input_shape):
        super().build(input_shape)
        if not self.embedding.built:
            self.embedding.build((None, *self.image_shape))
        self.embedding.kernels[-1].trainable = False
        for layer in (*self.task_fast, *self.example_fast):
            if not layer.built:
                layer.build()

    def adapt_state(self, support, training=False, deployed=False):
        """`{"keys", "valid", "values", "task_fast"}`: the memory's `r_i` and `W*_i`, and `Q*`."""
        check_way(self.network.way, support)
        return differentiation.map_tasks(self._adapt_task, support)

    def _adapt_task(self, support):
        x, labels = ops.cast(support.x, self.compute_dtype), support.y
        valid = ops.cast(valid_items(labels), x.dtype)
        slow = self._slow(self.embedding)
        gradients = fast_weights.meta_information(x, labels, slow)[:-1]
        task_fast = _generated(self.task_fast, gradients, valid)
        gradients = fast_weights.meta_information(x, labels, self._slow(self.network))
        return {
            "keys": fast_weights.embed(x, slow[:-1], task_fast),
            "valid": valid,
            "values": _generated(self.example_fast, gradients),
            "task_fast": task_fast,
        }

    def classify(self, state, query_x, training=False):
        return differentiation.map_tasks(lambda task: self._classify_task(*task), (state, query_x))

    def _classify_task(self, state, query_x):
        query_x = ops.cast(query_x, self.compute_dtype)
        r = fast_weights.embed(query_x, self._slow(self.embedding)[:-1], state["task_fast"])
        fast = fast_weights.mix(state["keys"], state["valid"], state["values"], r)
        return self.network(query_x, fast)

    def _slow(self, network):
        """The kernels of a network, in the type in which the learner computes."""
        return [ops.cast(kernel, self.compute_dtype) for kernel in network.kernels]

    def deployed_weights(self):
        return self.network.kernels + self.embedding.kernels[:-1]

    def get_config(self):
        return {
            **super().get_config(),
            "embedding": keras.saving.serialize_keras_object(self.embedding),
            "units": self.units,
        }

    @classmethod
    def from_config(cls, config):
        return super().from_config({**config, "embedding": restored(config["embedding"])})


def _generated(generators, gradients, *rest):
    """Fast weights by the first generator for kernels of convolutions, by the second for others."""
    fast, convolutions = [], sum(len(gradient.shape) == 5 for gradient in gradients)
    parts = gradients[:convolutions], gradients[convolutions:]
    for generator, part in zip(generators, parts, strict=True):
        made = generator(fast_weights.joined(part), *rest)
        fast += fast_weights.split(made, [gradient.shape[1:] for gradient in part])
    return fast
