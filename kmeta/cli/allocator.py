"""Freed memory stays with the process."""

import ctypes
import platform

M_TOP_PAD = -2  # malloc.h of the GNU C library
SPARE = 16 * 2**20  # bytes


def keep_freed_memory():
    """Let the C library hold on to some freed memory instead of giving it back each time.

    TensorFlow frees and asks for the same pieces in every step, and the system clears what it hands
    out again: a step of MAML on a CPU then takes a quarter longer. Only the GNU C library has the
    setting; elsewhere nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_TOP_PAD, SPARE)
