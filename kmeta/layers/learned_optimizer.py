"""The two-level LSTM by which the LSTM meta-learner updates a network."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import whole_number
from kmeta.episode import Tensor
from kmeta.ops.learned_optimizer import cell_update, gate, preprocess


@keras.saving.register_keras_serializable("kmeta")
class LearnedOptimizer(keras.layers.Layer):
    """Parameters, gradient and loss in, better parameters out (Ravi & Larochelle 2017, section 3).

    An LSTM reads the preprocessed gradient and loss; a second cell, whose state is the learner's
    parameters themselves, forgets and updates. All coordinates share the weights, each has its own
    state.

    Args:
        units: of the first LSTM.

    Input: parameters `[coordinates]`, gradient `[coordinates]`, loss (a scalar), and the state as
        `initial_state` or the last call gave it.
    Output: `(parameters, state)`.

    Example:
        >>> layer, parameters = kmeta.layers.LearnedOptimizer(units=4), np.ones(3, "float32")
        >>> layer.build()
        >>> state = layer.initial_state(parameters)
        >>> better, state = layer(parameters, np.ones(3, "float32"), np.float32(0.5), state)
        >>> np.array(better).round(1)
        array([1., 1., 1.], dtype=float32)
    """

    def __init__(self, units: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units = whole_number("units", units)
        small = keras.initializers.RandomUniform(-0.01, 0.01)
        self.cell = keras.layers.LSTMCell(
            units,
            kernel_initializer=small,
            recurrent_initializer=small.clone(),
            bias_initializer=small.clone(),
            unit_forget_bias=False,
            dtype=self.dtype_policy,
        )

    def build(self, *_: Any) -> None:
        self.cell.build((None, 4))
        self.forget_kernel, self.forget_bias = self._gate_weights("forget", 4.0, 5.0)
        self.update_kernel, self.update_bias = self._gate_weights("update", -5.0, -4.0)
        self.built = True

    def _gate_weights(self, name, low, high):
        uniform = keras.initializers.RandomUniform
        return (
            self.add_weight(
                shape=(self.units + 2, 1), initializer=uniform(-0.01, 0.01), name=f"{name}_kernel"
            ),
            self.add_weight(shape=(1,), initializer=uniform(low, high), name=f"{name}_bias"),
        )

    def initial_state(self, parameters: Tensor) -> list[Tensor]:
        """Zeros: hidden and cell state of the LSTM, and the two gates."""
        wide = ops.zeros((parameters.shape[0], self.units), parameters.dtype)
        return [wide, wide, ops.zeros_like(parameters), ops.zeros_like(parameters)]

    def call(self, parameters: Tensor, gradient: Tensor, loss: Tensor, state: Tensor) -> Tensor:
        hidden, memory, forget, update = state
        loss = ops.broadcast_to(loss, parameters.shape)
        inputs = ops.concatenate([preprocess(gradient), preprocess(loss)], axis=-1)
        _, (hidden, memory) = self.cell(inputs, [hidden, memory])
        forget = gate(hidden, parameters, forget, self.forget_kernel, self.forget_bias)
        update = gate(hidden, parameters, update, self.update_kernel, self.update_bias)
        parameters = cell_update(parameters, gradient, forget, update)
        return parameters, [hidden, memory, forget, update]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
