"""The controller and memory of Memory-Augmented Neural Networks, as a cell of a Keras RNN."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import number, one_of, positive, whole_number
from kmeta.episode import Tensor
from kmeta.ops import memory as lrua

EMPTY = 1e-6  # what the memory holds at the start of a sequence
CONTROLLERS = ("lstm", "feedforward")


@keras.saving.register_keras_serializable("kmeta")
class MemoryCell(keras.layers.Layer):
    """A controller with an external memory that it reads by content and writes by LRUA.

    One step (Santoro et al. 2016, sections 3.1 and 3.2): the controller sees the input and what was
    read the step before, and gives each head a key `k_t = tanh(W h_t + b)` and a gate alpha; the
    heads write to the slot last read or to the least used one, which is erased before; then they
    read the memory as it now is. See `kmeta.ops.memory` for the equations.

    Use it in `keras.layers.RNN(MemoryCell(), return_sequences=True)`.

    Args:
        units: of the controller.
        slots: rows of the memory.
        width: numbers in a row.
        heads: of reading and writing; also how many slots count as least used.
        controller: `"lstm"`, or `"feedforward"` for one dense layer of tanh units.
        decay: gamma, by which usage fades at a step, from 0 to 1.
        scale: factor of the cosines by which memory is read. 1 is the published form, under which
            a row that answers the key best has at most 5 % of the attention among 128; with about 8
            it learns sooner.

    Input: `[batch, features]` and the states of the step before, six tensors `[batch, ...]` (four
    without an LSTM): hidden and cell state of the LSTM, the memory flattened, the vectors read, the
    read weights, and usage.
    Output: `[batch, units + heads * width]`, `h_t` and all `r_t`, and the new states.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> cell = kmeta.layers.MemoryCell(units=16, slots=8, width=4, heads=2)
        >>> x = np.zeros((1, 5, 3), "float32")
        >>> keras.layers.RNN(cell, return_sequences=True)(x).shape
        TensorShape([1, 5, 24])
        >>> cell.trace(x)["write"].shape
        TensorShape([1, 5, 2, 8])
    """

    def __init__(
        self,
        units: int = 200,
        slots: int = 128,
        width: int = 40,
        heads: int = 4,
        controller: str = "lstm",
        decay: float = 0.99,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units = whole_number("units", units)
        self.slots = whole_number("slots", slots)
        self.width = width = whole_number("width", width)
        self.heads = heads = whole_number("heads", heads)
        if heads > slots:
            raise ValueError(
                "Argument `heads` must be at most the number of slots, as each head has a least "
                f"used slot of its own. Received: heads={heads}, slots={slots}"
            )
        self.controller = one_of("controller", controller, CONTROLLERS)
        self.decay = number("decay", decay, 0, 1)
        self.scale = positive("scale", scale)
        dtype = self.dtype_policy
        if controller == "lstm":
            self.control = keras.layers.LSTMCell(units, dtype=dtype, name="control")
        else:
            self.control = keras.layers.Dense(units, "tanh", dtype=dtype, name="control")
        self.keys = keras.layers.Dense(heads * width, "tanh", dtype=dtype, name="keys")
        self.gates = keras.layers.Dense(heads, dtype=dtype, name="gates")

    @property
    def state_size(self) -> list[int]:
        """Sizes of the states, for Keras."""
        hidden = [self.units, self.units] if self.controller == "lstm" else []
        sizes = (self.slots * self.width, self.heads * self.width, self.heads * self.slots)
        return [*hidden, *sizes, self.slots]

    @property
    def output_size(self) -> int:
        """Size of the output, for Keras."""
        return self.units + self.heads * self.width

    def build(self, input_shape: Any) -> None:
        self.control.build((None, input_shape[-1] + self.heads * self.width))
        self.keys.build((None, self.units))
        self.gates.build((None, self.units))
        self.built = True

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """States before the first step: an all but empty memory, slot 0 the only one used."""
        dtype = self.compute_dtype
        *hidden, memory, vectors, weights, _ = self.state_size
        first = ops.broadcast_to(ops.one_hot(0, self.slots, dtype=dtype), (batch_size, self.slots))
        return [
            *(ops.zeros((batch_size, size), dtype) for size in hidden),
            ops.full((batch_size, memory), EMPTY, dtype),
            ops.full((batch_size, vectors), EMPTY, dtype),
            ops.reshape(ops.tile(first, (1, self.heads)), (batch_size, weights)),
            first,
        ]

    def call(self, inputs: Tensor, states: Tensor, training: bool | None = None) -> Tensor:
        del training
        output, states, _ = self.step(inputs, states)
        return output, states

    def step(self, inputs: Tensor, states: Tensor) -> Any:
        """One step, as `call`, with the weights of writing.

        Returns:
            `(output, states, write)`; write is `w^w_t`, `[batch, heads, slots]`.
        """
        *hidden, memory, vectors, read, usage = states
        memory = ops.reshape(memory, (-1, self.slots, self.width))
        read = ops.reshape(read, (-1, self.heads, self.slots))

        seen = ops.concatenate([inputs, vectors], axis=-1)
        if self.controller == "lstm":
            control, hidden = self.control(seen, hidden)
        else:
            control = self.control(seen)
        keys = ops.reshape(self.keys(control), (-1, self.heads, self.width))

        # w^lu_{t-1}, w^w_t and M_t (equations 6 to 8)
        least = lrua.least_used(usage, self.heads)
        write = lrua.write_weights(self.gates(control), read, least)
        memory = lrua.write(memory, least, write, keys)
        # w^r_t and r_t (2 to 4), then w^u_t (5)
        read = lrua.read_weights(keys, memory, self.scale)
        vectors = ops.reshape(lrua.read(read, memory), (-1, self.heads * self.width))
        usage = lrua.decayed_usage(usage, read, write, self.decay)
        states = [
            *hidden,
            ops.reshape(memory, (-1, self.slots * self.width)),
            vectors,
            ops.reshape(read, (-1, self.heads * self.slots)),
            usage,
        ]
        return ops.concatenate([control, vectors], axis=-1), states, write

    def trace(self, inputs: Tensor) -> dict[str, Tensor]:
        """Where the heads write and read, step by step.

        Args:
            inputs: `[batch, steps, features]`.

        Returns:
            `{"write": w^w, "read": w^r, "usage": w^u}`, the first two
            `[batch, steps, heads, slots]`, the last `[batch, steps, slots]`.
        """
        states = self.get_initial_state(ops.shape(inputs)[0])
        found = {"write": [], "read": [], "usage": []}
        for step in range(inputs.shape[1]):
            _, states, write = self.step(inputs[:, step], states)
            *_, read, usage = states
            found["write"].append(write)
            found["read"].append(ops.reshape(read, (-1, self.heads, self.slots)))
            found["usage"].append(usage)
        return {name: ops.stack(weights, axis=1) for name, weights in found.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "slots": self.slots,
            "width": self.width,
            "heads": self.heads,
            "controller": self.controller,
            "decay": self.decay,
            "scale": self.scale,
        }
