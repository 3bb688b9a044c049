"""Logs of libraries."""

import contextlib
import logging


@contextlib.contextmanager
def silent(name):
    """Hold back the log of a library whose failures are raised or checked for."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
