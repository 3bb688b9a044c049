"""What makes fast weights of gradients in Meta Networks: one row for each coordinate."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import whole_number
from kmeta.episode import Tensor
from kmeta.ops import differentiation
from kmeta.ops.coordinates import affine, lstm_step
from kmeta.ops.learned_optimizer import preprocess

PREPROCESSING = 7.0  # powers of e below 1 that are told apart
TOGETHER = 4096  # coordinates computed at once, which bounds the memory


class _Generator(keras.layers.Layer):
    """Base: weights shared by all coordinates, U(-0.1, 0.1), biases of zero."""

    def __init__(self, units: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = whole_number("units", units)

    def _kernel(self, name, *shape):
        uniform = keras.initializers.RandomUniform(-0.1, 0.1)
        return self.add_weight(shape=shape, initializer=uniform, name=name)

    def _bias(self, name, size):
        return self.add_weight(shape=(size,), initializer="zeros", name=name)

    def by_coordinates(self, gradients: Tensor, *rest: Any) -> Any:
        """`generate(gradients, *rest, *weights)`, for any number of coordinates."""
        given = [*rest, *differentiation.read(self.trainable_variables)]
        return differentiation.by_columns(
            lambda gradients, given: self.generate(gradients, *given), gradients, given, TOGETHER
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kmeta")
class TaskFastWeights(_Generator):
    """`d`: the fast weights of a task, by an LSTM over its items' gradients.

    `Q* = d(G, grad_1 .. grad_T)` (Munkhdalai & Yu 2017, algorithm 1): the last output of an LSTM
    and a linear layer, on gradients that are preprocessed as in the learned optimizer.

    Args:
        units: of the LSTM.

    Input: gradients `[items, coordinates]`; `valid`, `[items]`, 1, or 0 for items to skip.
    Output: `[coordinates]`.

    Example:
        >>> gradients = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
        >>> kmeta.layers.TaskFastWeights()(gradients, valid=np.ones(3, "float32")).shape
        TensorShape([7])
    """

    def build(self, *_: Any) -> None:
        self.kernel = self._kernel("kernel", 2 + self.units, 4 * self.units)
        self.bias = self._bias("bias", 4 * self.units)
        self.out_kernel = self._kernel("out_kernel", self.units, 1)
        self.out_bias = self._bias("out_bias", 1)

    def call(self, gradients: Tensor, valid: Tensor) -> Tensor:
        items = ops.shape(valid)[0]
        valid = ops.cast(valid, "int32")  # half precision does not count far
        place = ops.arange(items, dtype="int32") + items * (1 - valid)
        last = ops.one_hot(ops.sum(valid) - 1, items, dtype=gradients.dtype)
        return self.by_coordinates(ops.take(gradients, ops.argsort(place), axis=0), last)

    def generate(
        self,
        gradients: Tensor,
        last: Tensor,
        kernel: Tensor,
        bias: Tensor,
        out_kernel: Tensor,
        out_bias: Tensor,
    ) -> Tensor:
        """The output after the item that `last` marks: those to skip come after it."""
        inputs = preprocess(gradients, PREPROCESSING)

        def step(i, state, _):
            hidden, memory, out = state
            hidden, memory = lstm_step(inputs[i], hidden, memory, kernel, bias)
            return hidden, memory, out + last[i] * ops.matmul(hidden, out_kernel)

        start = ops.zeros((ops.shape(gradients)[1], self.units), gradients.dtype)
        state = start, start, start[:, :1]
        items = gradients.shape[0] or ops.shape(gradients)[0]
        *_, out = differentiation.repeat(step, items, state, unroll=True)
        return ops.squeeze(out + out_bias, axis=-1)


@keras.saving.register_keras_serializable("kmeta")
class ExampleFastWeights(_Generator):
    """`m`: the fast weights of each item, by a network of three layers.

    `W*_i = m(Z, grad_i)` (Munkhdalai & Yu 2017, algorithm 1), on gradients that are preprocessed as
    in the learned optimizer.

    Args:
        units: of both hidden layers.

    Input: gradients `[items, coordinates]`.
    Output: `[items, coordinates]`.

    Example:
        >>> gradients = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
        >>> kmeta.layers.ExampleFastWeights()(gradients).shape
        TensorShape([3, 7])
    """

    def build(self, *_: Any) -> None:
        self.first = self._kernel("first", 2, self.units)
        self.first_bias = self._bias("first_bias", self.units)
        self.second = self._kernel("second", self.units, self.units)
        self.second_bias = self._bias("second_bias", self.units)
        self.out_kernel = self._kernel("out_kernel", self.units, 1)
        self.out_bias = self._bias("out_bias", 1)

    def call(self, gradients: Tensor) -> Tensor:
        return self.by_coordinates(gradients)

    def generate(
        self,
        gradients: Tensor,
        first: Tensor,
        first_bias: Tensor,
        second: Tensor,
        second_bias: Tensor,
        out_kernel: Tensor,
        out_bias: Tensor,
    ) -> Tensor:
        """The network's output, all items and coordinates alike."""
        x = preprocess(ops.reshape(gradients, (-1,)), PREPROCESSING)
        x = ops.relu(affine([x], first, first_bias))
        x = ops.relu(affine([x], second, second_bias))
        return ops.reshape(ops.matmul(x, out_kernel) + out_bias, ops.shape(gradients))
