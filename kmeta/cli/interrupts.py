"""Ctrl-C that stays Ctrl-C."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def interruptible():
    """Raise KeyboardInterrupt for any exception that follows a Ctrl-C inside.

    TensorFlow catches the interrupt where it happens to be tracing, and goes on to fail with an
    error of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    pressed = []

    def press(*_):
        pressed.append(True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
