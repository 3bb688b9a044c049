"""Ridge regression from features to classes, in closed form (Bertinetto et al. 2019)."""

from typing import NamedTuple

from keras import backend, ops

from kmeta.episode import Tensor
from kmeta.ops.distances import unit_vectors
from kmeta.ops.padding import valid_items
from kmeta.ops.shapes import check_shapes

STEPS = 20  # of Newton's method, enough for 100,000 items
LEAST = 1e-6  # added to what holds back: features that differ by rounding alone tell nothing


class Ridge(NamedTuple):
    """What `ridge_regression` finds.

    mean: `[tasks, features]`; weights: `[tasks, features, way]`.
    inverse: of `X X^T + h I`, `[tasks, items, items]`, or `X^T X + h I`, `[tasks, features,
        features]`, whichever is smaller.
    held_back: h, `[tasks, 1, 1]`.

    Example:
        >>> Ridge._fields
        ('mean', 'weights', 'inverse', 'held_back')
    """

    mean: Tensor
    weights: Tensor
    inverse: Tensor
    held_back: Tensor


def ridge_regression(embedded: Tensor, labels: Tensor, lam: float, many: bool = False) -> Ridge:
    """Mean and weights of a linear classifier of unit vectors (Bertinetto et al. 2019, equation 4).

    With `x_i = f(x_i) / |f(x_i)|`, their mean `m`, the rows `x_i - m` as `X` and `n` items:

    `W = X^T (X X^T + h I)^-1 (Y - 1 / way)`, `h = lam * trace(X X^T) / n + 1e-6`

    Scores of a query are `(x - m) W`, see `ridge_scores`. The form with a matrix of items by items
    is taken where there are fewer of them than features, else the same with features by features.
    Where their number is not known before a graph runs, which is so in exported ones, `many` says
    which form it is, the inverse comes from matrix products alone, see `newton_inverse`, and all
    else is computed in float64: runtimes sum in orders of their own, and answers shall not differ
    by that.

    Args:
        embedded: `[tasks, items, features]`, of any length.
        labels: `[tasks, items, way]` one-hot; rows of zeros (padding) do not count.
        lam: how much the weights are held back, relative to the mean squared length of the items
            around their mean; above 0.
        many: whether there are more items than features, where a graph does not know. It changes
            time and memory, and no result but by rounding.

    Returns:
        A `Ridge`.

    Raises:
        ValueError: if the two do not hold the same number of items.

    >>> x, y = ops.eye(3)[None], ops.eye(3)[None]
    >>> found = ridge_regression(x, y, lam=0.5)
    >>> ridge_scores(x, found.mean, found.weights)[0]
    <tf.Tensor: ...
    array([[ 0.5..., -0.25..., -0.25...],
    ...
    """
    check_shapes(embedded=(embedded, "tasks items features"), labels=(labels, "tasks items way"))
    given, dtype = backend.standardize_dtype(embedded.dtype), _computed_in(embedded)
    x, mean, valid = centred(ops.cast(embedded, dtype), ops.cast(labels, dtype))
    y = ops.cast(labels, dtype)
    share = ops.sum(y, axis=-1, keepdims=True) / ops.cast(ops.shape(y)[-1], dtype)
    y = valid * (y - share)  # not a mean, which runtimes lack in float64
    count = ops.sum(valid, axis=1, keepdims=True)
    trace = ops.sum(ops.square(x), axis=(1, 2), keepdims=True)
    held_back = lam * trace / count + LEAST
    items, features = x.shape[1:]
    by_features = many if items is None else items >= features
    turned = ops.swapaxes(x, 1, 2)
    rows = turned if by_features else x
    product = ops.matmul(rows, ops.swapaxes(rows, 1, 2))
    right = ops.matmul(turned, y) if by_features else y
    if items is None:
        matrix = product + held_back * _eye(product)
        # eigenvalues of X X^T, and of X^T X, lie between 0 and its trace
        narrow = (ops.cast(part, "float32") for part in (matrix, held_back, held_back + trace))
        inverse = ops.cast(newton_inverse(*narrow), dtype)
        solution = _solved(inverse, rows, held_back, right)
    else:
        matrix = product + held_back * ops.eye(product.shape[-1], dtype=dtype)
        inverse, solution = ops.inv(matrix), ops.solve(matrix, right)
    weights = solution if by_features else ops.matmul(turned, solution)
    return Ridge(*(ops.cast(part, given) for part in (mean[:, 0], weights, inverse, held_back)))


def centred(embedded: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vectors around their mean, zeros for padding; the mean, and which items are none.

    `[tasks, items, features]`, `[tasks, 1, features]` and `[tasks, items, 1]`, of the arguments of
    `ridge_regression`.

    Example:
        >>> x, mean, valid = centred(ops.eye(2)[None], ops.eye(2)[None])
        >>> np.array(x)[0].tolist()
        [[0.5, -0.5], [-0.5, 0.5]]
    """
    check_shapes(embedded=(embedded, "tasks items features"), labels=(labels, "tasks items way"))
    valid = ops.expand_dims(ops.cast(valid_items(labels), embedded.dtype), -1)
    x = unit_vectors(embedded)
    mean = ops.sum(valid * x, axis=1, keepdims=True) / ops.sum(valid, axis=1, keepdims=True)
    return valid * (x - mean), mean, valid


def ridge_scores(embedded: Tensor, mean: Tensor, weights: Tensor) -> Tensor:
    """`(x - m) W` of unit vectors x, `[tasks, queries, way]` (Bertinetto et al. 2019, equation 6).

    Args:
        embedded: `[tasks, queries, features]`, of any length.
        mean, weights: of `ridge_regression`.

    Example:
        >>> mean, weights = np.zeros((1, 2)), np.ones((1, 2, 1))
        >>> ridge_scores(np.array([[[3.0, 4.0]]]), mean, weights).numpy().round(3)
        array([[[1.4]]])
    """
    check_shapes(
        embedded=(embedded, "tasks queries features"),
        mean=(mean, "tasks features"),
        weights=(weights, "tasks features way"),
    )
    given, dtype = backend.standardize_dtype(embedded.dtype), _computed_in(weights)
    embedded, mean, weights = (ops.cast(part, dtype) for part in (embedded, mean, weights))
    scores = ops.matmul(unit_vectors(embedded) - ops.expand_dims(mean, 1), weights)
    return ops.cast(scores, given)


def ridge_variance(queries: Tensor, embedded: Tensor, labels: Tensor, found: Ridge) -> Tensor:
    """How little is known of each query, `[tasks, queries]`, at least 0.

    Ridge regression is the mean of a Gaussian process; this is its variance (Rasmussen & Williams
    2006, equation 2.26) for unit vectors q around the mean,

    `q q^T - q X^T (X X^T + h I)^-1 X q^T`, which equals `h q (X^T X + h I)^-1 q^T`

    divided by `h`: near 0 where a query is made of what the items are made of.

    Args:
        queries: `[tasks, queries, features]`, of any length.
        embedded, labels: of the items, as `ridge_regression` took them.
        found: what it returned.

    >>> x, y = ops.eye(2)[None], ops.eye(2)[None]
    >>> found = ridge_regression(x, y, lam=0.5)
    >>> np.round(ridge_variance(ops.array([[[1.0, 0], [-1, -1]]]), x, y, found), 3)
    array([[ 0.4  , 11.657]], dtype=float32)
    """
    check_shapes(
        queries=(queries, "tasks queries features"),
        embedded=(embedded, "tasks items features"),
        labels=(labels, "tasks items way"),
    )
    given, dtype = backend.standardize_dtype(queries.dtype), _computed_in(embedded)
    mean, inverse, held_back = (
        ops.cast(part, dtype) for part in (found.mean, found.inverse, found.held_back)
    )
    queries = unit_vectors(ops.cast(queries, dtype)) - ops.expand_dims(mean, 1)
    by_features, any_number = inverse.shape[-1] == embedded.shape[-1], embedded.shape[1] is None
    if by_features and not any_number:
        return ops.cast(ops.sum(ops.matmul(queries, inverse) * queries, axis=-1), given)
    x, _, _ = centred(ops.cast(embedded, dtype), ops.cast(labels, dtype))
    turned = ops.swapaxes(x, 1, 2)
    rows = queries if by_features else ops.matmul(queries, turned)
    if any_number:
        of, columns = turned if by_features else x, ops.swapaxes(rows, 1, 2)
        solved = ops.swapaxes(_solved(inverse, of, held_back, columns), 1, 2)
    else:
        solved = ops.matmul(rows, inverse)
    product = ops.sum(solved * rows, axis=-1)
    if by_features:
        return ops.cast(product, given)
    variance = (ops.sum(ops.square(queries), axis=-1) - product) / held_back[:, 0]
    return ops.cast(variance, given)


def _computed_in(known: Tensor) -> str:
    """The dtype: float64 where that is given, or in graphs for any number of items or classes."""
    wide = None in known.shape[1:] or backend.standardize_dtype(known.dtype) == "float64"
    return "float64" if wide else "float32"


def _solved(inverse: Tensor, x: Tensor, held_back: Tensor, right: Tensor) -> Tensor:
    """`(x x^T + h I)^-1 right`, of an inverse that is nearly that, with what it lacks made good."""
    first = ops.matmul(inverse, right)
    found = ops.matmul(x, ops.matmul(ops.swapaxes(x, 1, 2), first)) + held_back * first
    return first + ops.matmul(inverse, right - found)


def newton_inverse(matrix: Tensor, least: Tensor, largest: Tensor) -> Tensor:
    """Inverse of a symmetric matrix by Newton's method (Schulz 1933), from products alone.

    `Z <- Z (2 I - A Z)`, from `Z = 2 / (least + largest) I`. What is missing, `I - A Z`, is squared
    by each of the 20 steps.

    Args:
        matrix: `[..., n, n]`.
        least, largest: `[..., 1, 1]`, between which its eigenvalues lie, both above 0; one should
            not be more than 100,000 times the other.

    Returns:
        `[..., n, n]`.

    >>> np.round(newton_inverse(ops.diag([1.0, 4.0]), 1.0, 4.0), 4)
    array([[1.  , 0.  ],
           [0.  , 0.25]], dtype=float32)
    """
    check_shapes(matrix=(matrix, "... n n"))
    inverse = 2.0 / (least + largest) * _eye(matrix)
    for _ in range(STEPS):
        inverse = 2.0 * inverse - ops.matmul(inverse, ops.matmul(matrix, inverse))
    return inverse


def _eye(matrix: Tensor) -> Tensor:
    """Identity matrices of the size of others, `[..., n, n]`.

    Any permutation, compared with itself, is one. Of one that depends on data an exported graph
    makes no file of `n * n` numbers.
    """
    order = ops.argsort(matrix[..., 0], axis=-1)
    return ops.cast(ops.expand_dims(order, -1) == ops.expand_dims(order, -2), matrix.dtype)
