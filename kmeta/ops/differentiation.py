"""Differentiation, loops over tasks and fused operations, for the TensorFlow backend.

The rest of the mathematics is written in `keras.ops`; another backend needs its own version of this
file and nothing else.
"""

import contextlib
import functools
import threading

import tensorflow as tf
from keras import tree

_lock = threading.Lock()
_depth = 0
_stock_moments = None
_local = threading.local()  # `weights`: of rows, in this thread


def _moments(x, axes, shift=None, keepdims=False, name=None):
    """`tf.nn.moments` without its `stop_gradient` at the mean, and with weights of rows."""
    del shift, name
    dtype = x.dtype
    x = tf.cast(x, tf.float32) if dtype in (tf.float16, tf.bfloat16) else x
    weights = getattr(_local, "weights", None)
    if weights is not None and 0 in axes and x.shape[0] == weights.shape[0]:
        weights = tf.reshape(tf.cast(weights, x.dtype), [-1] + [1] * (len(x.shape) - 1))
        others = [axis for axis in axes if axis != 0]

        def average(x):
            by_row = tf.reduce_mean(x, others, keepdims=True)
            return tf.reduce_sum(by_row * weights, 0, keepdims=True)
    else:

        def average(x):
            return tf.reduce_mean(x, axes, keepdims=True)

    mean = average(x)
    variance = average(tf.square(x - mean))
    if not keepdims:
        mean, variance = tf.squeeze(mean, axes), tf.squeeze(variance, axes)
    return tf.cast(mean, dtype), tf.cast(variance, dtype)


@contextlib.contextmanager
def exact_moments(weights=None):
    """Inside, second derivatives through `tf.nn.moments` and `keras.ops.moments` are exact.

    TensorFlow computes the variance with `stop_gradient(mean)`. Values and first derivatives are
    right, since the derivative of the variance by the mean is zero; second derivatives are not, and
    with them every gradient of a gradient through `keras.layers.BatchNormalization`,
    `LayerNormalization` and `GroupNormalization`. Only operations recorded inside are affected.
    Nests, and may be entered by several threads at once.

    Args:
        weights: `[rows]` that sum to 1, for moments over the rows of tensors `[rows, ...]`, so that
            padding need not count. None: all rows are equal.
    """
    global _depth, _stock_moments
    outside, _local.weights = getattr(_local, "weights", None), weights
    with _lock:
        if _depth == 0:
            _stock_moments, tf.nn.moments = tf.nn.moments, _moments
        _depth += 1
    try:
        yield
    finally:
        _local.weights = outside
        with _lock:
            _depth -= 1
            if _depth == 0:
                tf.nn.moments = _stock_moments


def inside_exact_moments():
    """Whether the caller runs inside `exact_moments()`."""
    return _depth > 0


def read(variables):
    """Values of Keras variables as plain tensors, which `value_and_gradients` can watch."""
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def value_and_gradients(function, weights):
    """Value of `function` and its gradients; may be nested to any order.

    Args:
        function: takes a list of tensors like `weights`, returns `(loss, extra)` with a scalar
            loss and any structure `extra`.
        weights: list of tensors.

    Returns:
        `((loss, extra), gradients)`; the gradient of a weight that the loss does not depend on is
        zero.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        loss, extra = function(weights)
    gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return (loss, extra), gradients


def replicas():
    """By how many replicas of a `tf.distribute` strategy Keras divides losses; 1 without one."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def set_intra_op_threads(threads):
    """Let one operation run in as many threads on the CPU, unless TensorFlow has begun to compute.

    With one, operations still run beside each other. That is twice as fast where they are small, as
    in inner loops over a few images, and slower where they are large.

    Args:
        threads: integer; 0 for all cores.
    """
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def map_tasks(function, inputs):
    """Apply `function` to one task at a time and stack the results.

    Args:
        function: takes a structure like `inputs` without its leading axis, returns a structure of
            tensors whose shapes do not depend on the task.
        inputs: structure of tensors `[tasks, ...]`.

    Returns:
        The structure that `function` returns, each tensor with a leading `tasks` axis.
    """
    tasks = tree.flatten(inputs)[0].shape[0]
    if tasks == 1 or tf.executing_eagerly():  # no loop: one adapted classifier exports flat
        outputs = [function(tree.map_structure(lambda x, i=i: x[i], inputs)) for i in range(tasks)]
        return tree.map_structure(lambda *parts: tf.stack(parts), *outputs)
    function = tf.function(function, autograph=False)
    one = tree.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), inputs)
    outputs = function.get_concrete_function(one).structured_outputs
    signature = tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), outputs)
    return tf.map_fn(function, inputs, fn_output_signature=signature)


def mean_over_tasks(function, inputs, carry=()):
    """Mean of a function of one task, holding the graph of one task in memory at a time.

    Args:
        function: takes one task (a structure like `inputs` without its leading axis) and the carry,
            returns `(averaged, stacked, carry)`: a structure of tensors to average over tasks, one
            tensor to stack, and the carry for the next task. Shapes must not depend on the task.
        inputs: structure of tensors `[tasks, ...]`.
        carry: structure of tensors for the first task.

    Returns:
        `(averaged, stacked, carry)`, the second with a leading `tasks` axis, the third as the last
        task left it.
    """
    tasks = tf.shape(tree.flatten(inputs)[0])[0]

    def one(index, carry):
        return function(tree.map_structure(lambda x: x[index], inputs), carry)

    def add(index, total, stack, carry):
        averaged, stacked, carry = one(index, carry)
        total = tree.map_structure(tf.add, total, averaged)
        return index + 1, total, stack.write(index, stacked), carry

    if not tf.executing_eagerly():
        one = tf.function(one, autograph=False)  # traced once, used for the first task and the rest
    averaged, stacked, last = one(tf.constant(0), carry)
    stack = tf.TensorArray(stacked.dtype, size=tasks, element_shape=stacked.shape)
    _, total, stack, last = tf.while_loop(
        lambda index, *_: index < tasks,
        add,
        (tf.constant(1), averaged, stack.write(0, stacked), last),
        parallel_iterations=1,
    )
    averaged = tree.map_structure(lambda x: x / tf.cast(tasks, x.dtype), total)
    return averaged, stack.stack(), last


def repeat(function, steps, state, given=(), remat=False, unroll=False):
    """`state = function(step, state, given)`, for `step` from 0 to `steps - 1`.

    Traced once whatever the number of steps, unless unrolled; a single step is not a loop.
    Derivatives by `state` and `given` are exact to the order that `function` allows (with `remat`,
    to first order: a step may itself contain gradients, as an inner step of MAML does).

    Args:
        function: returns a list of tensors like `state`; must read no variables.
        steps: integer, 0 or greater; or a tensor that holds one.
        state: list of tensors.
        given: list of tensors that every step uses and that have gradients. Other tensors that
            `function` captures have none with `remat`.
        remat: in the backward pass, compute each step once more rather than keep what it computed.
            Memory then holds one step's graph, and `state` for every step, instead of all steps'
            graphs.
        unroll: trace every step where their number is known, which spares small steps the loop's
            own time.
    """
    if isinstance(steps, int) and (unroll or steps < 2):
        for step in range(steps):
            state = function(tf.constant(step), state, given)
        return state

    def body(step, *state):
        once = _recomputed(function, step) if remat else functools.partial(function, step)
        return step + 1, *_kept(once(list(state), _kept(given)))

    _, *state = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (tf.constant(0), *state),
        maximum_iterations=steps,  # XLA must know
        parallel_iterations=1,
    )
    return state


def by_columns(function, columns, given, together):
    """`function(columns, given)`, where every column is computed alone, a few columns at a time.

    Memory holds the graph of `together` columns and no more: the backward pass computes it once
    more. On a CPU that takes no longer, since small pieces stay in the cache.

    Args:
        function: takes a piece `[rows, some columns]` of `columns` and `given`, returns a tensor
            `[..., some columns]`; must read no variables.
        columns: `[rows, columns]`, constants; they have no gradient.
        given: list of tensors that every column uses and that have gradients.
        together: how many columns are computed at once.

    Returns:
        `[..., columns]`.
    """
    count = columns.shape[1]
    if count <= together:
        return function(columns, given)
    pieces = -(-count // together)
    padded = tf.pad(tf.stop_gradient(columns), [[0, 0], [0, pieces * together - count]])
    stacked = tf.transpose(tf.reshape(padded, [-1, pieces, together]), [1, 0, 2])

    @tf.custom_gradient
    def once(piece, *given):
        def backward(upstream):
            _, gradients = value_and_gradients(
                lambda given: (tf.reduce_sum(function(piece, given) * upstream), ()), list(given)
            )
            return None, *gradients

        return function(piece, list(given)), backward

    results = tf.map_fn(
        lambda piece: once(piece, *given),
        stacked,
        fn_output_signature=columns.dtype,
        parallel_iterations=1,
    )
    return tf.concat(tf.unstack(results, pieces), axis=-1)[..., :count]


def _kept(tensors):
    """The same tensors, whose gradients pass an operation that no graph optimiser removes.

    Where memory is at its peak, TensorFlow makes a temporary variable of a sum of three and more
    tensors. If one of them is a variable of a loop, as the gradient of what a loop carries is, that
    temporary variable is created once too often, and training ends with an `AlreadyExistsError`
    (tensorflow/tensorflow#23780).
    """

    @tf.custom_gradient
    def kept(x):
        return tf.identity(x), lambda upstream: tf.ensure_shape(upstream, upstream.shape)

    return [kept(x) if x.dtype.is_floating else x for x in tensors]


def _recomputed(function, step):
    """`function` of `(state, given)` that keeps nothing but its arguments for the backward pass."""

    def once(state, given):
        @tf.custom_gradient
        def inner(*arguments):
            def backward(*upstream):
                values = [tf.stop_gradient(x) for x in arguments]
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch([x for x in values if x.dtype.is_floating])
                    results = function(step, values[: len(state)], values[len(state) :])
                pairs = [(y, d) for y, d in zip(results, upstream, strict=True) if d is not None]
                pairs = [(y, d) for y, d in pairs if y.dtype.is_floating]
                return tape.gradient(
                    [y for y, _ in pairs], values, output_gradients=[d for _, d in pairs]
                )

            return function(step, list(arguments[: len(state)]), arguments[len(state) :]), backward

        return inner(*state, *given)

    return once


def shuffles(seed, number, items, length, counted=None):
    """The first `length` integers of a row of random orders of 0 to `items - 1`.

    Args:
        seed, number: whole numbers; each pair gives another row, and always the same one, on
            every device. Negative numbers are allowed as `number`.
        items: how many are put in order; each appears once before any appears again.
        length: of the result.
        counted: `[items]`, 0 for an item that is left out, not for all. None: none is.
    """
    counted = tf.ones(items) if counted is None else counted
    keys = _mixed(_mixed(tf.cast(seed, tf.uint32)) + tf.cast(tf.cast(number, tf.int32), tf.uint32))
    keys = _mixed(keys + tf.cast(tf.range(length * items), tf.uint32))
    keys = tf.cast(tf.reshape(keys, [length, items]), tf.int64)  # orders enough for a single item
    keys = tf.where(counted > 0, keys, 1 << 32)  # behind all others
    order = tf.argsort(keys, axis=-1, stable=True)
    count = tf.maximum(tf.math.count_nonzero(counted, dtype=tf.int32), 1)
    place = tf.range(length)
    return tf.gather_nd(order, tf.stack([place // count, place % count], axis=-1))


def _mixed(x):
    """A one-to-one hash of 32 bits: TensorFlow's own random numbers differ under XLA."""
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))
    x *= tf.constant(0x7FEB352D, tf.uint32)
    x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(15, tf.uint32)))
    x *= tf.constant(0x846CA68B, tf.uint32)
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(16, tf.uint32)))


def fused_batch_norm(x, gamma, beta, epsilon):
    """Batch normalisation by the batch's own statistics as one operation.

    Derivatives of `y` are exact to second order. The mean and the variance have no gradient, so
    it is not for use where later computations differentiate through them.

    Args:
        x: `[batch, height, width, channels]` float32.
        gamma, beta: `[channels]`.
        epsilon: added to the variance.

    Returns:
        `(y, mean, variance)`, the variance being the biased one, as in Keras.
    """
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)  # the operation returns n/(n-1) times
    return y, mean, variance * (count - 1.0) / count
