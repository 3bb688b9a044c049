"""TensorFlow without its chatter on standard error."""

import contextlib
import os
import sys
import tempfile

from kmeta.lazy import backend_needed

_loaded = False


def import_keras():
    """Import Keras and TensorFlow, keeping back what their start-up prints unless it fails.

    `TF_CPP_MIN_LOG_LEVEL` does not hold for messages printed before logging is set up. Where the
    variable is set by the user, all is printed.
    """
    global _loaded
    if _loaded:
        return
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        with backend_needed():
            import keras
    else:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        with backend_needed(), _held_back():
            import keras

            if keras.backend.backend() == "tensorflow":
                import tensorflow as tf

                tf.config.list_physical_devices()
    del keras
    _loaded = True


@contextlib.contextmanager
def _held_back():
    """Send file descriptor 2 to a file inside; its content comes out after an exception only."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(stderr, kept.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
