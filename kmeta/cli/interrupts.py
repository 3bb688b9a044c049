"""Ctrl-C that stays Ctrl-C."""

import contextlib
import os
import signal
import threading

AGAIN = 5.0  # seconds


@contextlib.contextmanager
def interruptible():
    """Raise KeyboardInterrupt for any exception that follows a Ctrl-C inside.

    TensorFlow catches the interrupt where it happens to be tracing, and goes on to fail with an
    error of its own, or not to fail at all: it is then interrupted again, every few seconds.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    pressed = []

    def press(*_):
        again = threading.Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
        pressed.append(again)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        for again in pressed:
            again.cancel()
        signal.signal(signal.SIGINT, before)
