"""Processes that tests start beside each other."""

import contextlib
import socket


def free_ports(count):
    """Ports of this machine that were free a moment before, each another one."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


def ended(*processes):
    """What each process printed, when all have ended well; none is left behind."""
    found = []
    try:
        for process in processes:
            printed, errors = process.communicate(timeout=900)
            assert process.returncode == 0, errors
            found.append(printed)
    finally:
        for process in processes:
            process.kill()
    return found
