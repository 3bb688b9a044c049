"""Adam without momentum, the inner optimizer of Reptile."""

from keras import ops

from kmeta.episode import Tensor
from kmeta.ops.shapes import check_same


def adam_step(
    weight: Tensor,
    gradient: Tensor,
    second_moment: Tensor,
    step: Tensor,
    rate: float,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Tensor, Tensor]:
    """One step of Adam with `beta_1 = 0` (Kingma & Ba 2015, in the form that ends section 2).

    `v <- beta_2 v + (1 - beta_2) g^2`;
    `w <- w - rate * sqrt(1 - beta_2^step) * g / (sqrt(v) + epsilon)`.

    Args:
        weight, gradient, second_moment: tensors of one shape; the second moment is zero at first.
        step: number of this step, from 1.
        rate: learning rate.
        beta_2: decay of the second moment.
        epsilon: keeps the division finite.

    Returns:
        `(weight, second_moment)` after the step.

    Example:
        >>> weight, moment = adam_step(np.array([1.0]), np.array([0.5]), np.array([0.0]), 1, 0.1)
        >>> round(float(weight[0]), 4), round(float(moment[0]), 6)
        (0.9, 0.00025)
    """
    check_same(weight=weight, gradient=gradient, second_moment=second_moment)
    second_moment = beta_2 * second_moment + (1.0 - beta_2) * ops.square(gradient)
    correction = ops.sqrt(1.0 - ops.power(beta_2, ops.cast(step, weight.dtype)))
    change = correction * gradient / (ops.sqrt(second_moment) + epsilon)
    return weight - rate * change, second_moment
