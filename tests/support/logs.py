"""The library's logging, as it is right after the import, for as long as a test needs it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from caproto import _log


@contextmanager
def unconfigured_logging() -> Iterator[None]:
    """Forget what was configured, and afterwards forget what is configured in between."""
    logger = logging.getLogger("caproto")
    handlers, level = logger.handlers[:], logger.level
    configured = _log._handler, _log._level_set
    _log._handler = _log._level_set = None
    logger.handlers[:] = []
    logger.setLevel(logging.NOTSET)
    try:
        yield
    finally:
        for handler in logger.handlers:
            handler.close()
        logger.handlers[:] = handlers
        logger.setLevel(level)
        _log._handler, _log._level_set = configured
