"""Joining the other devices and processes of a training, and telling where one is gone."""

import contextlib
import signal
import threading

import tensorflow as tf

from kmeta.runs.cluster import WorkerLostError

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError)


def joined(distribute):
    """Return the strategy of `tf.distribute` for "mirrored" or "multi-worker".

    With "multi-worker" it waits for the other processes, up to an hour.

    Raises WorkerLostError where they do not come, and OSError where this one's port is in use.
    """
    if distribute == "mirrored":
        return tf.distribute.MirroredStrategy()
    with losses_told(), _ended_by_interrupts():
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.UnknownError as error:
            message = f"{error.message}: is this process' port in TF_CONFIG in use?"
            raise OSError(message) from error


@contextlib.contextmanager
def losses_told():
    """Raise `WorkerLostError` in place of what TensorFlow raises where a process is gone."""
    try:
        yield
    except LOST as error:
        raise WorkerLostError(
            "A process of the training is gone, and the others have ended too. Start all of them "
            f"again with --resume ({type(error).__name__})"
        ) from error


@contextlib.contextmanager
def _ended_by_interrupts():
    """Let Ctrl-C end the process, since TensorFlow waits without a look at Python's signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
