"""Ctrl-C that stays Ctrl-C."""

import contextlib
import os
import signal
import sys
import threading

AGAIN, AT_ONCE = 5.0, 0.1  # seconds


@contextlib.contextmanager
def interruptible():
    """Raise KeyboardInterrupt for any exception that follows a Ctrl-C inside.

    TensorFlow catches the interrupt where it happens to be tracing, and goes on to fail with an
    error of its own, or not to fail at all: it is then interrupted again, every few seconds. So it
    is, at once and without a word, where Python meets the interrupt in a callback and passes it
    over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    pressed = []

    def press_again(seconds):
        again = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
        pressed.append(again)

    def press(*_):
        press_again(AGAIN)
        raise KeyboardInterrupt

    def passed_over(unraisable):
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            press_again(AT_ONCE)
        else:
            hook(unraisable)

    before, hook = signal.signal(signal.SIGINT, press), sys.unraisablehook
    sys.unraisablehook = passed_over
    try:
        yield
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from error
        raise
    finally:
        for again in pressed:
            again.cancel()
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)
