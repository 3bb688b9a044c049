"""Freed memory stays with the process."""

import ctypes
import platform

SETTINGS = {  # of the GNU C library, by their numbers in its malloc.h; bytes
    -1: 64 * 2**20,  # M_TRIM_THRESHOLD: the free end of the memory, above which it is given back
    -2: 16 * 2**20,  # M_TOP_PAD: what is kept of it then
    -3: 32 * 2**20,  # M_MMAP_THRESHOLD: a piece that is asked for, and given back, on its own
}


def keep_freed_memory():
    """Let the C library hold on to some freed memory instead of giving it back each time.

    TensorFlow frees and asks for the same pieces in every step, and the system clears what it hands
    out again: a step of MAML on two cores then takes twice as long. Only the GNU C library has the
    settings; elsewhere nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for number, size in SETTINGS.items():
            library.mallopt(number, size)
