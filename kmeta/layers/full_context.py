"""Full context embeddings of Matching Networks (Vinyals et al. 2016, appendix A)."""

from typing import Any

import keras
from keras import ops

from kmeta.checks import whole_number
from kmeta.episode import Support, Tensor
from kmeta.ops.attention import attention_read

MOST_READS = 1000  # each is a part of its own of the graph


@keras.saving.register_keras_serializable("kmeta")
class SupportContext(keras.layers.Layer):
    """Embed each support item in the light of the others (appendix A.2).

    `g(x_i, S) = h_forward_i + h_backward_i + g'(x_i)`: a bidirectional LSTM over the support set,
    whose hidden size is the number of features, with a residual sum. The order of the set matters,
    as published.

    Input: `g'`, `[tasks, items, features]`, and `valid`, `[tasks, items]` booleans, which padding
    is not. Output: `[tasks, items, features]`.

    Example:
        >>> items, valid = np.ones((2, 5, 8), "float32"), np.ones((2, 5), bool)
        >>> kmeta.layers.SupportContext()(items, valid).shape
        TensorShape([2, 5, 8])
    """

    def build(self, input_shape: Any) -> None:
        self.lstm = keras.layers.Bidirectional(
            keras.layers.LSTM(input_shape[-1], return_sequences=True, dtype=self.dtype_policy),
            merge_mode="sum",
            dtype=self.dtype_policy,
            name="lstm",
        )
        self.lstm.build(input_shape)

    def call(self, embedded: Tensor, valid: Tensor) -> Tensor:
        return embedded + self.lstm(embedded, mask=valid)


@keras.saving.register_keras_serializable("kmeta")
class QueryContext(keras.layers.Layer):
    """Embed queries by reading the support set with attention (appendix A.1).

    For `k = 1 .. read_steps`, from `h_0 = c_0 = 0`:

    ```
    r_{k-1}    = sum_i softmax_i(h_{k-1} . g(x_i)) g(x_i)
    h^_k, c_k  = LSTM(f'(x), [h_{k-1}, r_{k-1}], c_{k-1})
    h_k        = h^_k + f'(x)
    ```

    and `f(x, S) = h_{read_steps}`. The first read is the mean of the support set. The LSTM sees `r`
    beside its input instead of beside `h`: the same function, for both only enter sums.

    Args:
        read_steps: how often the support set is read, K of the paper; at most 1000.

    Input: `f'`, `[tasks, queries, features]`; the support set `g`, `[tasks, items, features]`; and
    `valid`, `[tasks, items]` booleans. Output: `[tasks, queries, features]`.

    Example:
        >>> queries, items = np.ones((2, 3, 8), "float32"), np.ones((2, 5, 8), "float32")
        >>> kmeta.layers.QueryContext(read_steps=2)(queries, items, np.ones((2, 5), bool)).shape
        TensorShape([2, 3, 8])
    """

    def __init__(self, read_steps: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read_steps = whole_number("read_steps", read_steps, most=MOST_READS)

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        self.cell = keras.layers.LSTMCell(features, dtype=self.dtype_policy, name="cell")
        self.cell.build((None, 2 * features))

    def call(self, embedded: Tensor, support: Support, valid: Tensor) -> Tensor:
        h, c = ops.zeros_like(embedded), ops.zeros_like(embedded)
        for _ in range(self.read_steps):
            r = attention_read(h, support, valid)
            output, c = self._lstm(ops.concatenate([embedded, r], axis=-1), h, c)
            h = output + embedded
        return h

    def _lstm(self, *sequences):
        """One step of the LSTM, `(output, c)` of `(input, h, c)`, for all queries of all tasks."""
        rows = [ops.reshape(x, (-1, x.shape[-1])) for x in sequences]
        output, (_, c) = self.cell(rows[0], rows[1:])
        return [ops.reshape(x, ops.shape(sequences[1])) for x in (output, c)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "read_steps": self.read_steps}
