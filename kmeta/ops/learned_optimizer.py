"""The learned optimizer of Ravi & Larochelle (2017), one row for each coordinate of the learner."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_same, check_shapes


def preprocess(x: Tensor, p: float = 10.0) -> Tensor:
    """Gradients and losses of all magnitudes as two numbers of moderate size.

    `(log|x| / p, sign x)` where `|x| >= e^-p`, else `(-1, e^p x)` (Ravi & Larochelle 2017, section
    3.2, after Andrychowicz et al. 2016, appendix A).

    Args:
        x: tensor of any shape.
        p: positive; how many powers of e below 1 are told apart.

    Returns:
        `[..., 2]`, where x is `[...]`.

    Example:
        >>> np.round(preprocess(np.array([1.0, -0.01, 0.0])), 2)
        array([[ 0.  ,  1.  ],
               [-0.46, -1.  ],
               [-1.  ,  0.  ]])
    """
    smallest = ops.cast(ops.exp(ops.convert_to_tensor(-p, dtype=x.dtype)), x.dtype)
    size = ops.abs(x)
    large = size >= smallest
    first = ops.where(large, ops.log(ops.maximum(size, smallest)) / p, -ops.ones_like(x))
    second = ops.where(large, ops.sign(x), x / smallest)
    return ops.stack([first, second], axis=-1)


def gate(
    hidden: Tensor, parameters: Tensor, previous: Tensor, kernel: Tensor, bias: Tensor
) -> Tensor:
    """A gate of the cell before its sigmoid: `[h_t, theta_{t-1}, previous gate] W + b`.

    Args:
        hidden: `[coordinates, units]`, what the input LSTM makes of gradient and loss.
        parameters: `[coordinates]`, the learner's parameters.
        previous: `[coordinates]`, the same gate at the step before, zero at the first.
        kernel: `[units + 2, 1]`, one for all coordinates.
        bias: `[1]`.

    Returns:
        `[coordinates]`.

    Example:
        >>> gate(np.ones((1, 2)), np.zeros(1), np.zeros(1), np.ones((4, 1)), np.ones(1)).numpy()
        array([3.])
    """
    check_shapes(
        hidden=(hidden, "coordinates units"),
        parameters=(parameters, "coordinates"),
        previous=(previous, "coordinates"),
        kernel=(kernel, "inputs 1"),
        bias=(bias, "1"),
    )
    seen = ops.concatenate([hidden, parameters[:, None], previous[:, None]], axis=-1)
    return ops.squeeze(ops.matmul(seen, kernel), axis=-1) + bias


def cell_update(parameters: Tensor, gradient: Tensor, forget: Tensor, update: Tensor) -> Tensor:
    """`theta_t = sigmoid(f_t) theta_{t-1} - sigmoid(i_t) gradient` (equation 2).

    Args:
        parameters, gradient: `[coordinates]`.
        forget, update: `[coordinates]`, f_t and i_t as `gate` gives them.

    Returns:
        `[coordinates]`.

    Example:
        >>> always = np.array([50.0])
        >>> float(cell_update(np.array([2.0]), np.array([0.5]), always, always)[0])
        1.5
    """
    check_same(parameters=parameters, gradient=gradient, forget=forget, update=update)
    return ops.sigmoid(forget) * parameters - ops.sigmoid(update) * gradient
