"""Freed memory stays with the process while it trains."""

import contextlib
import ctypes
import platform

SETTINGS = {  # of the GNU C library, by their numbers in its malloc.h; the first two in bytes
    -1: 2**30,  # M_TRIM_THRESHOLD: the free end of the memory, above which it is given back
    -2: 2**26,  # M_TOP_PAD: what is kept of it then
    -4: 0,  # M_MMAP_MAX: how many pieces are asked for, and given back, on their own
}


@contextlib.contextmanager
def freed_memory_kept():
    """Let the C library hold on to freed memory, and give it back at the end.

    TensorFlow frees and asks for the same pieces in every step, and the system clears what it hands
    out again: a step of MAML on two cores then takes twice as long. Only the GNU C library has the
    settings; elsewhere nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    for number, value in SETTINGS.items():
        library.mallopt(number, value)
    try:
        yield
    finally:
        library.malloc_trim(0)
